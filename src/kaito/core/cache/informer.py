"""One kind, kept in step with the server: does what the reflector says, updates the store, tells the handlers."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from kaito.core.cache.entry import CacheEntry, Event, reached, read_entry, read_resource_version
from kaito.core.cache.reflector import (
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
from kaito.core.cache.store import Store
from kaito.core.client import Client, Write
from kaito.core.client.codec import RawEvent
from kaito.core.client.watch import error_of
from kaito.core.clock import Clock, Jitter
from kaito.core.errors import ConnectionLostError, ExpiredError, KaitoError, NotFoundError
from kaito.core.logs import get_logger
from kaito.core.objects import Kind
from kaito.core.selectors import Selector, parse_selector

log = get_logger()

Handler = Callable[[Event], None]

_SLICE: Final = 1_000
"""Objects taken in at a time before other tasks get their turn."""


@dataclass(frozen=True)
class Selection:
    """Which objects of a kind are cached: one namespace or all, by label and field selectors in query form."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    @property
    def selector(self) -> Selector:
        """The label selector, parsed."""
        return parse_selector(self.labels)


class Informer:
    """The cached objects of one kind. `run` never ends by itself: it retries whatever fails."""

    def __init__(self, kind: Kind[Any], selection: Selection, client: Client, clock: Clock, jitter: Jitter) -> None:
        self.kind = kind
        self.selection = selection
        self.store = Store(kind)
        self.synced = asyncio.Event()
        self._selector = selection.selector
        self._client = client
        self._clock = clock
        self._jitter = jitter
        self._handlers: list[Handler] = []
        self._pages: list[CacheEntry[Any]] = []
        self._waiting: dict[asyncio.Future[None], Write] = {}
        self._complaint = ""

    def subscribe(self, handler: Handler) -> None:
        """Call `handler` after each change. What is here already comes first, as initial ADDED events."""
        if self.synced.is_set():
            for entry in self.store.all():
                _call(handler, Event(self.kind, "ADDED", entry.key, None, entry, initial=True))
        self._handlers.append(handler)

    async def run(self) -> None:
        """List and watch until cancelled."""
        state = State()
        message: Message = Begin()
        while True:
            state, action = step(state, message, Moment(self._clock.monotonic(), self._jitter))
            if action.delay > 0:
                await self._clock.sleep(action.delay)
            message = await (self._list(action) if isinstance(action, FetchPage) else self._watch(action))

    async def seen(self, write: Write) -> None:
        """Return once the store shows `write`, or something later."""
        if self.shows(write):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = write
        try:
            await future
        finally:
            self._waiting.pop(future, None)

    def expects(self, write: Write) -> bool:
        """Say whether the object of `write` can ever show up here; with a field selector nobody can tell."""
        selection = self.selection
        in_scope = selection.namespace in (None, write.key.namespace) and not selection.fields
        return in_scope and (write.deleted or self._selector.matches(write.labels))

    async def _list(self, action: FetchPage) -> Message:
        if not action.continue_token:
            self._pages = []
        selection = self.selection
        try:
            page = await self._client.list_page(
                self.kind,
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
            self._pages.append(read_entry(self.kind, item))
        except ValueError as error:
            log.error("skipped an unreadable object of a list", kind=str(self.kind), error=str(error))

    def _commit(self, resource_version: str) -> None:
        """Make the listed pages the store, in one step, then tell the handlers."""
        pages, self._pages = self._pages, []
        initial = not self.synced.is_set()
        for event in self.store.replace(pages, resource_version):
            self._tell(replace(event, initial=True) if initial else event)
        self._wake()
        self.synced.set()

    async def _watch(self, action: OpenWatch) -> Message:
        if action.commit:
            self._commit(action.resource_version)
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
        """Take in the events of one watch; returns the error of an ERROR event."""
        stream = await self._client.open_watch(
            self.kind,
            self.selection.namespace,
            resource_version=action.resource_version,
            labels=self.selection.labels,
            fields=self.selection.fields,
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
                    if version := self._take(event):
                        progress.version = version
                self._wake()
        return None

    def _take(self, event: RawEvent) -> str:
        """Bring one event into the store and to the handlers; returns its version, or nothing if it was skipped."""
        try:
            if event.type == "BOOKMARK":
                version = read_resource_version(event.object)
            else:
                entry = read_entry(self.kind, event.object)
                version = entry.metadata.resource_version
                self._change(event.type, entry)
        except (ValueError, KeyError) as error:
            log.error("skipped an unreadable event", kind=str(self.kind), type=event.type, error=str(error))
            return ""
        self.store.resource_version = version
        return version

    def _change(self, event_type: str, entry: CacheEntry[Any]) -> None:
        if event_type == "DELETED":
            change = self.store.remove(entry.key, entry)
        elif event_type in ("ADDED", "MODIFIED"):
            change = self.store.put(entry)
        else:
            raise ValueError(f"event type {event_type!r} is unknown")
        if change is not None:
            self._tell(change)

    def _tell(self, event: Event) -> None:
        for handler in self._handlers:
            _call(handler, event)

    def _wake(self) -> None:
        for future, write in list(self._waiting.items()):
            if not future.done() and self.shows(write):
                future.set_result(None)

    def shows(self, write: Write) -> bool:
        """Say whether the store shows `write`, or something later."""
        entry = self.store.get(write.key)
        if write.deleted:
            return (
                entry is None
                or entry.metadata.deletion_timestamp is not None
                or (bool(write.uid) and entry.metadata.uid != write.uid)
            )
        if entry is not None and reached(entry.metadata.resource_version, write.resource_version):
            return True
        return reached(self.store.resource_version, write.resource_version)

    def _complain(self, what: str, error: KaitoError) -> None:
        """Log a failure once, not at each of its retries."""
        complaint = f"{what}: {error}"
        if complaint == self._complaint:
            return
        self._complaint = complaint
        level = log.info if isinstance(error, ConnectionLostError | ExpiredError) else log.warning
        if isinstance(error, NotFoundError):
            log.warning("the server does not serve this kind yet; waiting", kind=str(self.kind), error=str(error))
        else:
            level(f"{what}; trying again", kind=str(self.kind), error=str(error))


@dataclass(slots=True)
class _Progress:
    """How far one watch has come."""

    version: str
    opened: float
    events: int = 0
    is_open: bool = False


def _call(handler: Handler, event: Event) -> None:
    """Call a handler; one that raises loses this event and disturbs nobody else."""
    try:
        handler(event)
    except Exception:
        log.exception("a handler failed", kind=str(event.kind), key=str(event.key), type=event.type)
