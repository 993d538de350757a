"""Takes events from whoever has one, and writes them when the server lets it.

A recorder must never hold up a reconcile: `record` only puts into a bounded queue; when that is full the event is lost.
"""

import asyncio
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, Counter

from kaito.core.client import Client
from kaito.core.clock import Clock, Jitter, system_jitter
from kaito.core.errors import AlreadyExistsError, ApiError, ConnectionLostError, NotFoundError
from kaito.core.events.correlator import Correlator
from kaito.core.events.occurrence import (
    INSTANCE_CHARACTERS,
    EventLevel,
    Ledger,
    Occurrence,
    Reference,
    Source,
    Writing,
    shortened,
)
from kaito.core.events.series import SeriesLedger
from kaito.core.logs import get_logger

log = get_logger()

QUEUE_LENGTH: Final = 1_000
TRIES: Final = 12
PAUSE_SECONDS: Final = 10.0
"""Limits of client-go's event broadcaster; the first pause is shorter by chance, so that replicas spread."""


class EventRecorder:
    """Writes events while `run` runs.

    `api` says which Events: those of core/v1, which every tool shows with a count, or those of events.k8s.io/v1, which
    write less where one thing goes on for hours. They need the rights to create and patch `events` of their group.
    """

    def __init__(
        self,
        client: Client,
        component: str,
        clock: Clock,
        registry: CollectorRegistry | None = None,
        *,
        api: Literal["v1", "events.k8s.io/v1"] = "v1",
        jitter: Jitter = system_jitter,
    ) -> None:
        self._client = client
        self._clock = clock
        self._jitter = jitter
        source = Source(component, f"{component}-{socket.gethostname()}"[:INSTANCE_CHARACTERS])
        self._ledger: Ledger = Correlator(source) if api == "v1" else SeriesLedger(source)
        self._queue: asyncio.Queue[Occurrence | Writing] = asyncio.Queue(QUEUE_LENGTH)
        self._dropped = Counter(
            "kaito_core_events_dropped", "Events that were not written.", ("cause",), registry=registry
        )

    def record(
        self,
        obj: Mapping[str, Any],
        type: EventLevel,  # noqa: A002 - the field's own name
        reason: str,
        message: str,
        *,
        action: str = "",
        related: Mapping[str, Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Note an event about `obj`, which carries apiVersion, kind and metadata. Never blocks.

        `related` is a second object that had to do with it. `at` is when it happened, now where left out: the answer to
        a write comes when others have acted on it already, and their events would be told as the earlier ones.
        """
        self._put(
            Occurrence(
                Reference.of(obj),
                None if related is None else Reference.of(related),
                type,
                reason,
                shortened(message),
                action,
                at or self._clock.now(),
                self._clock.monotonic(),
            )
        )

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._ledger.check_seconds is not None:
                group.create_task(self._look(self._ledger.check_seconds), name="event series")
            while True:
                await self._take()

    async def flush(self) -> None:
        """Return once everything recorded so far has been written or dropped; `run` must be running."""
        self._put_due(at_end=True)
        await self._queue.join()

    def _put(self, item: Occurrence | Writing) -> None:
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            self._dropped.labels("queue_full").inc()

    def _put_due(self, *, at_end: bool = False) -> None:
        for writing in self._ledger.due(self._clock.monotonic(), at_end):
            self._put(writing)

    async def _look(self, seconds: float) -> None:
        while True:
            await self._clock.sleep(seconds)
            self._put_due()

    async def _take(self) -> None:
        item = await self._queue.get()
        try:
            writing = self._ledger.note(item) if isinstance(item, Occurrence) else item
            if writing is not None:
                await self._write(writing)
            elif self._ledger.limits:
                self._dropped.labels("rate").inc()
        except Exception:
            self._dropped.labels("failed").inc()
            log.exception("event was not written")
        finally:
            self._queue.task_done()

    async def _write(self, writing: Writing) -> None:
        """Try until the server has answered. What it refuses once it will refuse again."""
        reason = writing.record.event["reason"]
        for attempt in range(TRIES):
            try:
                await self._send(writing)
            except ConnectionLostError:
                await self._clock.sleep(PAUSE_SECONDS * (self._jitter() if attempt == 0 else 1.0))
            except ApiError as error:
                self._dropped.labels("refused").inc()
                log.info("event refused", reason=reason, error=str(error))
                return
            else:
                return
        self._dropped.labels("unreachable").inc()
        log.warning("event lost: no answer from the server", reason=reason)

    async def _send(self, writing: Writing) -> None:
        record = writing.record
        if record.written:
            try:
                await self._client.patch(self._ledger.kind, record.key, dict(writing.change))
            except NotFoundError:
                record.written = False  # expired on the server
            else:
                return
        try:
            await self._client.create(record.event)
        except AlreadyExistsError:
            log.debug("event was written by a request whose answer was lost", name=record.key.name)
        record.written = True
