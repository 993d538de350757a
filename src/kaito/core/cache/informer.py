"""One kind, kept in step with the server: the store, the handlers, and those who wait to see their own writes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from kaito.core.cache.entry import CacheEntry, Event, EventType, reached, read_entry
from kaito.core.cache.reflector import Reflector
from kaito.core.cache.selection import Selection
from kaito.core.cache.settings import ReflectorSettings
from kaito.core.cache.store import Store
from kaito.core.client import Client, Write
from kaito.core.clock import Clock, Jitter
from kaito.core.logs import get_logger
from kaito.core.objects import Kind

log = get_logger()

Handler = Callable[[Event], None]


class Informer:
    """The cached objects of one kind, and what a reflector hands its deltas to. `run` never ends by itself."""

    def __init__(
        self,
        kind: Kind[Any],
        selection: Selection,
        client: Client,
        clock: Clock,
        jitter: Jitter,
        settings: ReflectorSettings,
    ) -> None:
        self.kind = kind
        self.selection = selection
        self.store = Store(kind)
        self.synced = asyncio.Event()
        self._selector = selection.selector
        self._reflector = Reflector(kind, selection, client, self, clock, jitter, settings)
        self._handlers: list[Handler] = []
        self._waiting: dict[asyncio.Future[None], Write] = {}

    def subscribe(self, handler: Handler) -> None:
        """Call `handler` after each change. What is here already comes first, as initial ADDED events."""
        if self.synced.is_set():
            for entry in self.store.all():
                _call(handler, Event(self.kind, "ADDED", entry.key, None, entry, initial=True))
        self._handlers.append(handler)

    async def run(self) -> None:
        """List and watch until cancelled."""
        await self._reflector.run()

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

    def read(self, item: msgspec.Raw) -> CacheEntry[Any]:
        """Return the entry of an object that was received. Raises ValueError if it is none of this kind."""
        return read_entry(self.kind, item)

    async def replace(self, entries: list[CacheEntry[Any]], resource_version: str) -> None:
        """Make a complete list the store, in one step, then tell the handlers."""
        initial = not self.synced.is_set()
        for event in self.store.replace(entries, resource_version):
            self._tell(replace(event, initial=True) if initial else event)
        self.flush()
        self.synced.set()

    def apply(self, change: EventType, entry: CacheEntry[Any]) -> None:
        """Bring one change into the store and to the handlers."""
        event = self.store.remove(entry.key, entry) if change == "DELETED" else self.store.put(entry)
        if event is not None:
            self._tell(event)
        self.store.resource_version = entry.metadata.resource_version

    def bookmark(self, resource_version: str) -> None:
        """Note that the store is as new as `resource_version`."""
        self.store.resource_version = resource_version

    def flush(self) -> None:
        """Wake who waits for a write that the store shows now."""
        for future, write in list(self._waiting.items()):
            if not future.done() and self.shows(write):
                future.set_result(None)

    def _tell(self, event: Event) -> None:
        for handler in self._handlers:
            _call(handler, event)

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


def _call(handler: Handler, event: Event) -> None:
    """Call a handler; one that raises loses this event and disturbs nobody else."""
    try:
        handler(event)
    except Exception:
        log.exception("a handler failed", kind=str(event.kind), key=str(event.key), type=event.type)
