"""Lists and watches one kind, and hands what it hears, in order, to whoever keeps the objects.

What to do next is decided by `list_watch.py`; here is the I/O alone.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from kaito.core.cache.entry import CacheEntry, EventType, read_resource_version
from kaito.core.cache.list_watch import (
    Begin,
    FetchPage,
    ListFailed,
    Message,
    Moment,
    OpenWatch,
    PageListed,
    State,
    WatchEnded,
    WatchRefused,
    step,
)
from kaito.core.cache.selection import Selection
from kaito.core.client import Client
from kaito.core.client.codec import RawEvent
from kaito.core.client.watch import error_of
from kaito.core.clock import Clock, Jitter
from kaito.core.errors import ConnectionLostError, ExpiredError, KaitoError, NotFoundError
from kaito.core.logs import get_logger
from kaito.core.objects import Kind

log = get_logger()

_SLICE: Final = 1_000
"""Objects of a list read at a time before other tasks get their turn."""
_CHANGES: Final[dict[str, EventType]] = {"ADDED": "ADDED", "MODIFIED": "MODIFIED", "DELETED": "DELETED"}


class Deltas(Protocol):
    """Takes the objects of one kind in, in the order in which the server told of them."""

    def read(self, item: msgspec.Raw) -> CacheEntry[Any]:
        """Return the entry of an object, once for each that is received. Raises ValueError to have it skipped."""
        ...

    async def replace(self, entries: list[CacheEntry[Any]], resource_version: str) -> None:
        """Become exactly `entries`, a complete list at `resource_version`."""
        ...

    def apply(self, change: EventType, entry: CacheEntry[Any]) -> None:
        """Take in one change; its version is the entry's."""
        ...

    def bookmark(self, resource_version: str) -> None:
        """Take in that nothing has changed up to `resource_version`."""
        ...

    def flush(self) -> None:
        """Note that all changes that arrived together have been handed over."""
        ...


class Reflector:
    """Keeps `target` in step with the server. `run` never ends by itself: it retries whatever fails."""

    def __init__(
        self, kind: Kind[Any], selection: Selection, client: Client, target: Deltas, clock: Clock, jitter: Jitter
    ) -> None:
        self._kind = kind
        self._selection = selection
        self._client = client
        self._target = target
        self._clock = clock
        self._jitter = jitter
        self._pages: list[CacheEntry[Any]] = []
        self._complaint = ""

    async def run(self) -> None:
        """List and watch until cancelled."""
        state = State()
        message: Message = Begin()
        while True:
            state, action = step(state, message, Moment(self._clock.monotonic(), self._jitter))
            if action.delay > 0:
                await self._clock.sleep(action.delay)
            message = await (self._list(action) if isinstance(action, FetchPage) else self._watch(action))

    async def _list(self, action: FetchPage) -> Message:
        if not action.continue_token:
            self._pages = []
        selection = self._selection
        try:
            page = await self._client.list_page(
                self._kind,
                selection.namespace,
                resource_version=action.resource_version,
                labels=selection.labels,
                fields=selection.fields,
                limit=action.limit,
                continue_token=action.continue_token,
            )
        except KaitoError as error:
            self._complain("cannot list", error)
            return ListFailed(error)
        for number, item in enumerate(page.items or (), start=1):
            self._keep(item)
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        return PageListed(page.metadata.resource_version, page.metadata.continue_)

    def _keep(self, item: msgspec.Raw) -> None:
        try:
            self._pages.append(self._target.read(item))
        except ValueError as error:
            log.error("skipped an unreadable object of a list", kind=str(self._kind), error=str(error))

    async def _watch(self, action: OpenWatch) -> Message:
        if action.commit:
            pages, self._pages = self._pages, []
            await self._target.replace(pages, action.resource_version)
        progress = _Progress(action.resource_version, self._clock.monotonic())
        try:
            error: KaitoError | None = await self._follow(action, progress)
        except KaitoError as broken:
            if not progress.is_open:
                self._complain("cannot watch", broken)
                return WatchRefused(broken)
            error = broken
        if error is not None:
            self._complain("watch ended with an error", error)
        return WatchEnded(progress.version, progress.events, self._clock.monotonic() - progress.opened, error)

    async def _follow(self, action: OpenWatch, progress: "_Progress") -> KaitoError | None:
        """Hand on the events of one watch; returns the error of an ERROR event."""
        stream = await self._client.open_watch(
            self._kind,
            self._selection.namespace,
            resource_version=action.resource_version,
            labels=self._selection.labels,
            fields=self._selection.fields,
            timeout=action.timeout_seconds,
        )
        async with stream as batches, aclosing(batches):
            progress.is_open = True
            self._complaint = ""
            async for batch in batches:
                for event in batch:
                    if event.type == "ERROR":
                        return error_of(event)
                    progress.events += 1
                    progress.version = self._take(event) or progress.version
                self._target.flush()
        return None

    def _take(self, event: RawEvent) -> str:
        """Hand on one event; returns its version, or nothing if it was skipped."""
        try:
            if event.type == "BOOKMARK":
                version = read_resource_version(event.object)
                self._target.bookmark(version)
                return version
            if event.type not in _CHANGES:
                raise ValueError(f"event type {event.type!r} is unknown")
            entry = self._target.read(event.object)
        except (ValueError, KeyError) as error:
            log.error("skipped an unreadable event", kind=str(self._kind), type=event.type, error=str(error))
            return ""
        self._target.apply(_CHANGES[event.type], entry)
        return entry.metadata.resource_version

    def _complain(self, what: str, error: KaitoError) -> None:
        """Log a failure once, not at each of its retries."""
        complaint = f"{what}: {error}"
        if complaint == self._complaint:
            return
        self._complaint = complaint
        level = log.info if isinstance(error, ConnectionLostError | ExpiredError) else log.warning
        if isinstance(error, NotFoundError):
            log.warning("the server does not serve this kind yet; waiting", kind=str(self._kind), error=str(error))
        else:
            level(f"{what}; trying again", kind=str(self._kind), error=str(error))


@dataclass(slots=True)
class _Progress:
    """How far one watch has come."""

    version: str
    opened: float
    events: int = 0
    is_open: bool = False
