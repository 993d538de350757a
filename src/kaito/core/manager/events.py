"""Events about objects: core/v1, written in the background, repeats counted instead of written again.

A recorder must never hold up a reconcile: `record` only puts into a bounded queue; when that is full the event is lost.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, Counter

from kaito.core.client import Client
from kaito.core.clock import Clock, timestamp
from kaito.core.errors import ApiError, ConnectionLostError, NotFoundError
from kaito.core.kinds import EVENT
from kaito.core.logs import get_logger
from kaito.core.objects import Key, Object

log = get_logger()

EventLevel = Literal["Normal", "Warning"]

_QUEUE_LENGTH: Final = 1_000
_REMEMBERED: Final = 4_096
_BURST: Final = 25
_REFILL_SECONDS: Final = 300.0
_TRIES: Final = 12
_PAUSE_SECONDS: Final = 10.0
_MESSAGE_CHARACTERS: Final = 1_024
"""Limits of client-go's event correlator and broadcaster."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to an object."""

    regarding: tuple[str, str, str, str, str]
    type: EventLevel
    reason: str
    message: str
    action: str
    at: str


@dataclass(slots=True)
class _Series:
    """The Event object that repeats of an occurrence are counted in."""

    name: str
    namespace: str
    first: str
    count: int = 1


@dataclass(slots=True)
class _Bucket:
    """How many more events about one object are written."""

    tokens: float
    at: float


class EventRecorder:
    """Writes events while `run` runs. Cluster-scoped objects have their events in `default`."""

    def __init__(self, client: Client, component: str, clock: Clock, registry: CollectorRegistry | None = None) -> None:
        self._client = client
        self._component = component
        self._instance = f"{component}-{socket.gethostname()}"[:128]
        self._clock = clock
        self._queue: asyncio.Queue[Occurrence] = asyncio.Queue(_QUEUE_LENGTH)
        self._series: OrderedDict[tuple[Any, ...], _Series] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._names = 0
        self._dropped = Counter(
            "kaito_core_events_dropped", "Events that were not written.", ("cause",), registry=registry
        )

    def record(self, obj: Mapping[str, Any], type: EventLevel, reason: str, message: str, *, action: str = "") -> None:  # noqa: A002 - the field's own name
        """Note an event about `obj`, which carries apiVersion, kind and metadata. Never blocks."""
        metadata = obj["metadata"]
        occurrence = Occurrence(
            (obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata.get("uid", "")),
            type,
            reason,
            _shortened(message),
            action,
            timestamp(self._clock.now()),
        )
        try:
            self._queue.put_nowait(occurrence)
        except asyncio.QueueFull:
            self._dropped.labels("queue_full").inc()

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        while True:
            occurrence = await self._queue.get()
            try:
                await self._write(occurrence)
            except Exception:
                self._dropped.labels("failed").inc()
                log.exception("event was not written", reason=occurrence.reason)
            finally:
                self._queue.task_done()

    async def flush(self) -> None:
        """Return once everything recorded so far has been written or dropped; `run` must be running."""
        await self._queue.join()

    async def _write(self, occurrence: Occurrence) -> None:
        if not self._allowed(occurrence):
            self._dropped.labels("rate").inc()
            return
        for _ in range(_TRIES):
            try:
                await self._send(occurrence)
            except ConnectionLostError:
                await self._clock.sleep(_PAUSE_SECONDS)
            except ApiError as error:
                self._dropped.labels("refused").inc()
                log.info("event refused", reason=occurrence.reason, error=str(error))
                return
            else:
                return
        self._dropped.labels("unreachable").inc()

    def _allowed(self, occurrence: Occurrence) -> bool:
        """Let 25 events of one object pass, then one in five minutes."""
        name = "/".join(occurrence.regarding)
        moment = self._clock.monotonic()
        bucket = self._buckets.setdefault(name, _Bucket(_BURST, moment))
        bucket.tokens = min(_BURST, bucket.tokens + (moment - bucket.at) / _REFILL_SECONDS)
        bucket.at = moment
        self._buckets.move_to_end(name)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def _send(self, occurrence: Occurrence) -> None:
        identity = (occurrence.regarding, occurrence.type, occurrence.reason, occurrence.message)
        series = self._series.get(identity)
        if series is not None:
            try:
                await self._client.patch(
                    EVENT,
                    Key(series.namespace, series.name),
                    {"count": series.count + 1, "lastTimestamp": occurrence.at},
                )
            except NotFoundError:
                del self._series[identity]  # expired on the server
            else:
                series.count += 1
                self._series.move_to_end(identity)
                return
        series = self._new_series(occurrence)
        await self._client.create(self._event(occurrence, series))
        self._series[identity] = series
        if len(self._series) > _REMEMBERED:
            self._series.popitem(last=False)

    def _new_series(self, occurrence: Occurrence) -> _Series:
        _, _, namespace, name, _ = occurrence.regarding
        self._names += 1
        unique = int(self._clock.now().timestamp() * 1e6) * 1_000 + self._names % 1_000
        return _Series(f"{name}.{unique:x}", namespace or "default", occurrence.at)

    def _event(self, occurrence: Occurrence, series: _Series) -> Object:
        api_version, kind, namespace, name, uid = occurrence.regarding
        regarding = {"apiVersion": api_version, "kind": kind, "namespace": namespace, "name": name, "uid": uid}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": series.name, "namespace": series.namespace},
            "involvedObject": {field: value for field, value in regarding.items() if value},
            "type": occurrence.type,
            "reason": occurrence.reason,
            "message": occurrence.message,
            "action": occurrence.action,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "firstTimestamp": series.first,
            "lastTimestamp": occurrence.at,
            "count": 1,
        }


def _shortened(message: str) -> str:
    return message if len(message) <= _MESSAGE_CHARACTERS else message[: _MESSAGE_CHARACTERS - 1] + "…"
