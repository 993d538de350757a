"""Lists and watches one kind, and hands what it hears, in order, to whoever keeps the objects.

What to do next is decided by `list_watch.py`; here is the I/O alone.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from kaito.core.cache.consistency import differences
from kaito.core.cache.entry import CacheEntry, EventType, read_key
from kaito.core.cache.exchange import (
    Action,
    Begin,
    FetchPage,
    ListFailed,
    Message,
    OpenWatch,
    PageListed,
    StreamBroken,
    StreamList,
    StreamRefused,
    WatchEnded,
    WatchRefused,
)
from kaito.core.cache.list_watch import ANY_VERSION, LATEST, Moment, State, step
from kaito.core.cache.selection import Scope
from kaito.core.cache.settings import ReflectorSettings
from kaito.core.client import Client
from kaito.core.client.codec import ListMeta, RawEvent, read_bookmark
from kaito.core.client.watch import error_of
from kaito.core.clock import Clock, Jitter
from kaito.core.errors import ConnectionLostError, ExpiredError, KaitoError, NotFoundError
from kaito.core.logs import get_logger
from kaito.core.objects import Key, Kind

log = get_logger()

_SLICE: Final = 250
"""Objects of a list read at a time before other tasks get their turn."""
REMINDER_SECONDS: Final = 10.0
"""How often a streaming list that has not come to its end is mentioned, from client-go."""
_CHANGES: Final[dict[str, EventType]] = {"ADDED": "ADDED", "MODIFIED": "MODIFIED", "DELETED": "DELETED"}


class Deltas(Protocol):
    """Takes the objects of one kind in, in the order in which the server told of them."""

    def read(self, item: msgspec.Raw) -> CacheEntry[Any]:
        """Return the entry of an object, once for each that is received. Raises ValueError if it cannot be read."""
        ...

    def known(self, key: Key) -> CacheEntry[Any] | None:
        """Return the last state of an object that was taken in."""
        ...

    async def replace(self, entries: list[CacheEntry[Any]], resource_version: str) -> None:
        """Become exactly `entries`, a complete list at `resource_version`."""
        ...

    def apply(self, change: EventType, entry: CacheEntry[Any]) -> None:
        """Take in one change; its version is the entry's."""
        ...

    def lose(self, key: Key) -> None:
        """Take in that an object is gone, in a state that could not be read."""
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
        self,
        kind: Kind[Any],
        scope: Scope,
        client: Client,
        target: Deltas,
        clock: Clock,
        jitter: Jitter,
        settings: ReflectorSettings,
    ) -> None:
        self._kind = kind
        self._scope = scope
        self._client = client
        self._target = target
        self._clock = clock
        self._jitter = jitter
        self._settings = settings
        self._pages: list[CacheEntry[Any]] = []
        self._complaint = ""

    async def run(self) -> None:
        """List and watch until cancelled."""
        state = State.new(self._settings)
        message: Message = Begin()
        while True:
            state, action = step(state, message, Moment(self._clock.monotonic(), self._jitter))
            self._say_why(message, action)
            if action.delay > 0:
                await self._clock.sleep(action.delay)
            message = await self._do(action)

    async def _do(self, action: Action) -> Message:
        match action:
            case FetchPage():
                return await self._list(action)
            case StreamList():
                return await self._stream(action)
            case OpenWatch():
                return await self._watch(action)

    async def _list(self, action: FetchPage) -> Message:
        if not action.continue_token:
            self._pages = []
        parts = self._client.list_parts(
            self._kind,
            self._scope.namespace,
            resource_version=action.resource_version,
            labels=self._scope.labels,
            fields=self._scope.fields,
            limit=action.limit,
            continue_token=action.continue_token,
        )
        metadata = ListMeta()
        try:
            async with aclosing(parts):
                async for part in parts:
                    metadata = part.metadata
                    for number, item in enumerate(part.items or (), start=1):
                        self._keep(item)
                        if number % _SLICE == 0:
                            await asyncio.sleep(0)
                    await asyncio.sleep(0)
        except KaitoError as error:
            self._complain("cannot list", error)
            return ListFailed(error)
        return PageListed(metadata.resource_version, metadata.continue_)

    def _keep(self, item: msgspec.Raw) -> None:
        """Take an object into the list that is not complete; one that cannot be read is there as it was last known."""
        entry: CacheEntry[Any] | None
        try:
            entry = self._target.read(item)
        except ValueError as error:
            _, entry = self._unreadable("LISTED", item, error)
        if entry is not None:
            self._pages.append(entry)

    def _unreadable(
        self, event_type: str, item: msgspec.Raw, error: ValueError
    ) -> tuple[Key | None, CacheEntry[Any] | None]:
        """Log an object that cannot be read, and return which it is and how it was last known."""
        key = read_key(item)
        known = None if key is None else self._target.known(key)
        log.error(
            "an object cannot be read",
            kind=str(self._kind),
            key=str(key or ""),
            type=event_type,
            reason="ObjectUnreadable",
            error=str(error),
            known_version=known.metadata.resource_version if known is not None else "",
        )
        return key, known

    async def _watch(self, action: OpenWatch) -> Message:
        if action.commit:
            pages, self._pages = self._pages, []
            await self._target.replace(pages, action.resource_version)
        stream = _Stream(action.resource_version, self._clock.monotonic())
        error = await self._follow(action, stream)
        if not stream.is_open and error is not None:
            self._complain("cannot watch", error)
            return WatchRefused(error)
        return self._ended(stream, error)

    async def _stream(self, action: StreamList) -> Message:
        stream = _Stream(action.resource_version, self._clock.monotonic(), initial={})
        stream.reminder = asyncio.create_task(self._remind(stream), name=f"reminder {self._kind}")
        try:
            error = await self._follow(action, stream)
        finally:
            stream.reminder.cancel()
        if stream.initial is None:
            return self._ended(stream, error)
        if error is not None and not stream.is_open:
            return StreamRefused(error)
        return StreamBroken(stream.events, self._clock.monotonic() - stream.opened, error)

    def _ended(self, stream: "_Stream", error: KaitoError | None) -> WatchEnded:
        if error is not None:
            self._complain("watch ended with an error", error)
        return WatchEnded(stream.version, stream.events, self._clock.monotonic() - stream.opened, error)

    async def _follow(self, action: OpenWatch | StreamList, stream: "_Stream") -> KaitoError | None:
        """Hand on the events of one watch to its end; returns what ended it, None if it ended in order."""
        try:
            opened = await self._client.open_watch(
                self._kind,
                self._scope.namespace,
                resource_version=action.resource_version,
                labels=self._scope.labels,
                fields=self._scope.fields,
                timeout=action.timeout_seconds,
                initial_events=stream.initial is not None,
            )
            async with opened as batches, aclosing(batches):
                stream.is_open = True
                if stream.initial is None:
                    self._complaint = ""
                async for batch in batches:
                    for event in batch:
                        if event.type == "ERROR":
                            return error_of(event)
                        stream.events += 1
                        await self._take(event, stream)
                    self._target.flush()
        except KaitoError as error:
            return error
        return None

    async def _take(self, event: RawEvent, stream: "_Stream") -> None:
        """Hand on one event, or keep it while the list is not complete."""
        if event.type == "BOOKMARK":
            await self._mark(event, stream)
        elif (change := _CHANGES.get(event.type)) is None:
            log.error("skipped an event of an unknown type", kind=str(self._kind), type=event.type)
        else:
            try:
                entry = self._target.read(event.object)
            except ValueError as error:
                self._take_unreadable(change, event, error, stream)
                return
            if stream.initial is not None:
                stream.keep(change, entry)
            else:
                stream.reach(entry.metadata.resource_version, change)
                self._target.apply(change, entry)

    def _take_unreadable(self, change: EventType, event: RawEvent, error: ValueError, stream: "_Stream") -> None:
        """Leave an object as it was last known, unless it is gone; the watch goes on where it was."""
        key, known = self._unreadable(change, event.object, error)
        if stream.initial is None:
            if known is not None and change == "DELETED":
                self._target.lose(known.key)
        elif key is not None and change == "DELETED":
            stream.initial.pop(key, None)
        elif known is not None:
            stream.initial.setdefault(known.key, known)

    async def _mark(self, event: RawEvent, stream: "_Stream") -> None:
        try:
            version, ends = read_bookmark(event.object)
        except ValueError as error:
            log.error("skipped an unreadable bookmark", kind=str(self._kind), error=str(error))
            return
        if stream.initial is None:
            stream.reach(version, "BOOKMARK")
            self._target.bookmark(version)
        elif ends:
            await self._complete(stream, version)

    async def _complete(self, stream: "_Stream", version: str) -> None:
        """Make what has been streamed so far the store; what follows is live."""
        entries = list((stream.initial or {}).values())
        stream.initial = None
        stream.version = version
        if stream.reminder is not None:
            stream.reminder.cancel()
        self._complaint = ""
        if self._settings.check_consistency:
            await self._check(entries, version)
        await self._target.replace(entries, version)

    async def _check(self, entries: list[CacheEntry[Any]], version: str) -> None:
        try:
            found = await differences(self._client, self._kind, self._scope, self._target.read, entries, version)
        except (KaitoError, ValueError) as error:
            log.warning("cannot check what was streamed", kind=str(self._kind), version=version, error=str(error))
            return
        if found:
            log.error("the server streamed what it does not list", kind=str(self._kind), version=version, keys=found)

    async def _remind(self, stream: "_Stream") -> None:
        while True:
            await self._clock.sleep(REMINDER_SECONDS)
            seconds = round(self._clock.monotonic() - stream.opened)
            log.warning("a list has not ended yet", kind=str(self._kind), seconds=seconds, events=stream.events)

    def _say_why(self, message: Message, action: Action) -> None:
        """Log that a list is not streamed: what comes instead says how grave that is."""
        if not isinstance(message, StreamRefused | StreamBroken):
            return
        error = message.error or ConnectionLostError("the stream ended before the list did")
        if isinstance(action, FetchPage):
            log.info("the list cannot be streamed; listing", kind=str(self._kind), error=str(error))
        else:
            self._complain("cannot stream the list", error)

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
class _Stream:
    """How far one watch has come. `initial` holds the objects of a list that is not complete yet."""

    version: str
    opened: float
    initial: dict[Key, CacheEntry[Any]] | None = None
    reminder: asyncio.Task[None] | None = None
    events: int = 0
    is_open: bool = False

    def keep(self, event_type: str, entry: CacheEntry[Any]) -> None:
        """Take a change into the incomplete list."""
        assert self.initial is not None
        if event_type == "DELETED":
            self.initial.pop(entry.key, None)
        else:
            self.initial[entry.key] = entry

    def reach(self, version: str, event_type: str) -> None:
        """Note the version of an event. A watch from any version begins with what exists, in no order of versions."""
        if event_type != "ADDED" or self.version not in (ANY_VERSION, LATEST):
            self.version = version or self.version
