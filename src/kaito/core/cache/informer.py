"""One kind, kept in step with the server: the store, the handlers, and those who wait to see their own writes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import msgspec

from kaito.core.cache.barrier import Barrier
from kaito.core.cache.entry import CacheEntry, Event, EventType, read_entry
from kaito.core.cache.reflector import Reflector
from kaito.core.cache.selection import Resolved, Scope
from kaito.core.cache.settings import ReflectorSettings
from kaito.core.cache.slices import in_slices
from kaito.core.cache.store import Store
from kaito.core.cache.subscription import Handler, Subscription
from kaito.core.client import Client
from kaito.core.clock import Clock, Jitter
from kaito.core.errors import KaitoError
from kaito.core.objects import Key, Kind, PartialObjectMetadata

_RESYNC_SPREAD: Final = (0.9, 1.1)
"""Each resync period is drawn within these factors, so that handlers do not all see everything at once."""


class Informer:
    """The cached objects of one kind, in one scope or several. `run` never ends by itself, and is run once."""

    def __init__(
        self,
        kind: Kind[Any],
        resolved: Resolved,
        client: Client,
        clock: Clock,
        jitter: Jitter,
        settings: ReflectorSettings,
    ) -> None:
        self.kind = kind
        self.store = Store(kind, [scope.partition for scope in resolved.scopes])
        self.barrier = Barrier(self.store, resolved)
        self.synced = asyncio.Event()
        self.resolved = resolved
        self._clock = clock
        self._jitter = jitter
        self._subscriptions: tuple[Subscription, ...] = ()
        self._periods: dict[Subscription, float] = {}
        parts = [_Part(self, scope) for scope in resolved.scopes]
        asked = replace(kind, model=PartialObjectMetadata) if resolved.mode == "metadata" else kind
        self._reflectors = [Reflector(asked, part.scope, client, part, clock, jitter, settings) for part in parts]
        self._group: asyncio.TaskGroup | None = None
        self._is_stopped = False
        self._settled = asyncio.Event()
        """Synced, or stopped before that."""

    @property
    def is_faithful(self) -> bool:
        """Whether objects are kept as the server has them, but for managedFields."""
        return self.resolved.mode != "metadata" and all(scope.transform is None for scope in self.resolved.scopes)

    def subscribe(
        self, handler: Handler, *, kind: Kind[Any] | None = None, resync: float | None = None
    ) -> Subscription:
        """Call `handler` after each change. What is here already comes first, as initial ADDED events.

        `resync` is its own resync period in seconds, by default the selection's. Raises KaitoError InformerStopped.
        """
        if self._is_stopped:
            raise self._stop_error()
        subscription = Subscription(kind or self.kind, handler, self._forget)
        subscription.begin(self.store.all())
        if self.synced.is_set():
            subscription.informer_synced()
        self._subscriptions = (*self._subscriptions, subscription)
        self._periods[subscription] = self.resolved.resync if resync is None else resync
        if self._group is not None:
            self._start(subscription, self._group)
        return subscription

    async def run(self) -> None:
        """List and watch until cancelled. Raises KaitoError InformerStopped if it has been run before."""
        async with self._running() as group:
            for subscription in self._subscriptions:
                self._start(subscription, group)
            for reflector in self._reflectors:
                group.create_task(reflector.run(), name=f"reflector {self.kind}")

    async def wait_for_sync(self) -> None:
        """Return once everything was listed and the handlers told. Raises KaitoError InformerStopped."""
        await self._settled.wait()
        if not self.synced.is_set():
            raise self._stop_error()

    def read(self, item: msgspec.Raw, scope: Scope) -> CacheEntry[Any]:
        """Return the entry of an object that was received, the one that is here if it is in that state.

        A second list of much the same objects so takes no room. Raises ValueError if it is none of this kind.
        """
        entry = read_entry(self.kind, item, self.resolved.mode, scope.transform)
        if not self.store.holds(entry.metadata.namespace):
            raise ValueError(f"it is in namespace {entry.metadata.namespace!r}, which was not asked for")
        present = self.store.get(entry.key)
        return present if present is not None and present.is_state_of(entry) else entry

    async def replace(self, entries: list[CacheEntry[Any]], resource_version: str, partition: str) -> None:
        """Make a complete list the contents of a partition, in one step, then tell the handlers."""
        events = await self.store.replace(entries, resource_version, partition)
        told = self._subscriptions  # who joins from here on has seen the new contents
        self.barrier.flush()
        async for event in in_slices(events):
            for subscription in told:
                subscription.deliver(event)
        if self.store.is_filled and not self.synced.is_set():
            self.synced.set()
            self._settled.set()
            for subscription in self._subscriptions:
                subscription.informer_synced()

    def apply(self, change: EventType, entry: CacheEntry[Any]) -> None:
        """Bring one change into the store and to the handlers."""
        self._tell(self.store.remove(entry.key, entry) if change == "DELETED" else self.store.put(entry))

    def lose(self, key: Key) -> None:
        """Take a deletion in whose last state is not known."""
        if (event := self.store.remove(key)) is not None:
            self._tell(replace(event, final_state_unknown=True))

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            for subscription in self._subscriptions:
                subscription.deliver(event)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[asyncio.TaskGroup]:
        if self._group is not None or self._is_stopped:
            raise self._stop_error()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                yield group
        finally:
            self._group = None
            self._is_stopped = True
            self._settled.set()

    def _start(self, subscription: Subscription, group: asyncio.TaskGroup) -> None:
        period = self._periods[subscription]
        subscription.start(group, *([self._resync(subscription, period)] if period > 0 else []))

    async def _resync(self, subscription: Subscription, period: float) -> None:
        """Show a handler all objects again and again, as they are at that moment."""
        least, most = _RESYNC_SPREAD
        while True:
            await self._clock.sleep(period * (least + (most - least) * self._jitter()))
            async for entry in in_slices(self.store.all()):
                if self.store.get(entry.key) is entry:
                    subscription.deliver(Event(self.kind, "MODIFIED", entry.key, entry, entry))

    def _forget(self, subscription: Subscription) -> None:
        self._subscriptions = tuple(one for one in self._subscriptions if one is not subscription)
        self._periods.pop(subscription, None)

    def _stop_error(self) -> KaitoError:
        return KaitoError(
            "InformerStopped",
            f"the informer of {self.kind} was started before"
            if self._group
            else f"the informer of {self.kind} is stopped",
            terminal=True,
            remedy="Ask the cache for a new one: `await cache.informer(kind)`.",
        )


class _Part:
    """What the reflector of one scope hands its deltas to."""

    def __init__(self, informer: Informer, scope: Scope) -> None:
        self.scope = scope
        self._informer = informer

    def read(self, item: msgspec.Raw) -> CacheEntry[Any]:
        return self._informer.read(item, self.scope)

    async def replace(self, entries: list[CacheEntry[Any]], resource_version: str) -> None:
        await self._informer.replace(entries, resource_version, self.scope.partition)

    def apply(self, change: EventType, entry: CacheEntry[Any]) -> None:
        self._informer.apply(change, entry)
        self.bookmark(entry.metadata.resource_version)

    def known(self, key: Key) -> CacheEntry[Any] | None:
        store = self._informer.store
        return store.get(key) if store.holds(key.namespace) else None

    def lose(self, key: Key) -> None:
        self._informer.lose(key)

    def bookmark(self, resource_version: str) -> None:
        self._informer.store.advance(resource_version, self.scope.partition)

    def flush(self) -> None:
        self._informer.barrier.flush()
