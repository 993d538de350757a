"""All cached kinds of a process. Reads never do I/O and hand out private objects."""

import asyncio
import builtins
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from kaito.core.cache.entry import CacheEntry
from kaito.core.cache.informer import Handler, Informer
from kaito.core.cache.selection import Selection
from kaito.core.cache.settings import ReflectorSettings
from kaito.core.cache.store import NAMESPACE_INDEX, IndexFunction
from kaito.core.client import Client, Write
from kaito.core.client.codec import decode
from kaito.core.clock import Clock, Jitter, SystemClock, deadline, system_jitter
from kaito.core.errors import KaitoError
from kaito.core.objects import Key, Kind, Object
from kaito.core.selectors import Selector

T = TypeVar("T")


class Cache:
    """Objects of the kinds that were registered, each kept up to date by one informer, however many models read it."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock | None = None,
        jitter: Jitter = system_jitter,
        reflector: ReflectorSettings | None = None,
    ) -> None:
        self._client = client
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._reflector = reflector or ReflectorSettings()
        self._informers: dict[tuple[str, str], Informer] = {}
        self._group: asyncio.TaskGroup | None = None

    def register(self, kind: Kind[Any], selection: Selection | None = None) -> Informer:
        """Cache a kind; the same one twice is one cache. Raises KaitoError SelectionConflict for two selections."""
        identity = (kind.api_version, kind.kind)
        informer = self._informers.get(identity)
        if informer is None:
            informer = Informer(
                kind, selection or Selection(), self._client, self._clock, self._jitter, self._reflector
            )
            self._informers[identity] = informer
            if self._group is not None:
                self._group.create_task(informer.run(), name=f"informer {kind}")
        elif selection is not None and selection != informer.selection:
            raise KaitoError(
                "SelectionConflict",
                f"{kind} is cached with {informer.selection}, and now wanted with {selection}",
                terminal=True,
                remedy="Call `manager.caching` once, before the controllers are added.",
            )
        return informer

    def subscribe(self, kind: Kind[Any], handler: Handler) -> None:
        """Call `handler` after each change of a kind, with entries that decode to this kind's model."""
        informer = self.register(kind)
        if informer.kind == kind:
            informer.subscribe(handler)
        else:
            informer.subscribe(
                lambda event: handler(replace(event, kind=kind, old=_as(kind, event.old), new=_as(kind, event.new)))
            )

    async def run(self) -> None:
        """Keep every registered kind up to date until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for informer in self._informers.values():
                    group.create_task(informer.run(), name=f"informer {informer.kind}")
                await asyncio.Event().wait()
            finally:
                self._group = None

    async def wait_for_sync(self, kinds: Iterable[Kind[Any]] | None = None) -> None:
        """Return once the kinds (all by default) have been listed and their handlers told."""
        wanted = self._informers.values() if kinds is None else [self._informer(kind) for kind in kinds]
        for informer in tuple(wanted):
            await informer.synced.wait()

    @property
    def pending(self) -> list[str]:
        """The kinds that have not been listed yet."""
        return [str(informer.kind) for informer in self._informers.values() if not informer.synced.is_set()]

    async def wait_for_writes(self, writes: Iterable[Write], within: float) -> bool:
        """Return True once the cache shows `writes`, False if it does not within so many seconds."""
        try:
            async with deadline(self._clock, within):
                for write in writes:
                    informer = self._informers.get((write.api_version, write.kind))
                    if informer is not None and informer.expects(write):
                        await informer.seen(write)
        except TimeoutError:
            return False
        return True

    def shows(self, writes: Iterable[Write]) -> bool:
        """Say whether the cache shows `writes` now."""
        for write in writes:
            informer = self._informers.get((write.api_version, write.kind))
            if informer is not None and informer.expects(write) and not informer.shows(write):
                return False
        return True

    def get(self, kind: Kind[T], key: Key) -> T | None:
        """Return the object, or None. Raises KaitoError KindNotCached, ObjectUnreadable."""
        entry = self._informer(kind).store.get(key)
        return None if entry is None else decode(kind, entry.raw)

    def entry(self, kind: Kind[T], key: Key) -> CacheEntry[T] | None:
        """Return the undecoded object, or None."""
        return _as(kind, self._informer(kind).store.get(key))

    def list(
        self, kind: Kind[T], namespace: str | None = None, labels: Mapping[str, str] | Selector | None = None
    ) -> list[T]:
        """Return the objects of a namespace (None: of all) that `labels` select."""
        return [decode(kind, entry.raw) for entry in self._select(kind, namespace, labels)]

    def entries(
        self, kind: Kind[T], namespace: str | None = None, labels: Mapping[str, str] | Selector | None = None
    ) -> builtins.list[CacheEntry[T]]:
        """Return the undecoded objects of a namespace (None: of all) that `labels` select."""
        return _all_as(kind, self._select(kind, namespace, labels))

    def by_index(self, kind: Kind[T], index: str, value: str) -> builtins.list[CacheEntry[T]]:
        """Return the objects that have `value` in an index; "owner" holds the uids of owners. Raises UnknownIndex."""
        return _all_as(kind, self._informer(kind).store.by_index(index, value))

    def add_index(self, kind: Kind[Any], name: str, function: IndexFunction) -> None:
        """Index a kind, which is registered if it is not yet. Raises KaitoError IndexExists."""
        self.register(kind).store.add_index(name, function)

    def live(self, api_version: str, kind: str, key: Key) -> Object | None:
        """Return a private copy of an object as JSON, if its kind is cached (what `Client.apply` compares with)."""
        informer = self._informers.get((api_version, kind))
        entry = informer.store.get(key) if informer is not None else None
        return None if entry is None else entry.json()

    def _select(
        self, kind: Kind[Any], namespace: str | None, labels: Mapping[str, str] | Selector | None
    ) -> builtins.list[CacheEntry[Any]]:
        store = self._informer(kind).store
        found = store.all() if namespace is None else store.by_index(NAMESPACE_INDEX, namespace)
        if labels is None:
            return found
        selector = labels if isinstance(labels, Selector) else Selector.of(labels)
        return [entry for entry in found if selector.matches(entry.metadata.labels)]

    def _informer(self, kind: Kind[Any]) -> Informer:
        informer = self._informers.get((kind.api_version, kind.kind))
        if informer is None:
            raise KaitoError(
                "KindNotCached",
                f"{kind} is not cached",
                terminal=True,
                remedy="Let a controller watch or own it, or call `manager.caching`.",
            )
        return informer


def _as(kind: Kind[T], entry: CacheEntry[Any] | None) -> CacheEntry[T] | None:
    """Return the entry as one of this kind; another model of the same resource reads the same bytes."""
    if entry is None or entry.kind is kind:
        return entry
    return CacheEntry(kind, entry.metadata, entry.raw)


def _all_as(kind: Kind[T], entries: Iterable[CacheEntry[Any]]) -> list[CacheEntry[T]]:
    return [entry if entry.kind is kind else CacheEntry(kind, entry.metadata, entry.raw) for entry in entries]
