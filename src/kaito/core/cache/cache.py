"""All cached kinds of a process. Reads never do I/O and hand out private objects."""

import asyncio
import builtins
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from kaito.core.cache.entry import CacheEntry
from kaito.core.cache.index import IndexFunction
from kaito.core.cache.informer import Informer
from kaito.core.cache.selection import Selection
from kaito.core.cache.settings import ReflectorSettings
from kaito.core.cache.store import Store
from kaito.core.cache.subscription import Handler, Subscription
from kaito.core.client import Client, Write
from kaito.core.clock import Clock, Jitter, SystemClock, deadline, system_jitter
from kaito.core.errors import KaitoError
from kaito.core.objects import Key, Kind, Object, PartialObjectMetadata
from kaito.core.selectors import Selector

T = TypeVar("T")

BARRIER_SECONDS: Final = 5.0
"""Longest wait for the cache to show our own writes, from controller-runtime's read-your-own-writes."""

Labels = Mapping[str, str] | Selector


class Cache:
    """Objects of the kinds that were registered, each kept up to date by one informer, however many models read it.

    A kind is registered by `register`, `subscribe`, `add_index` or `await informer(kind)`; to read one that is not is
    an error, not an absence. `defaults` are the choices that a kind's own selection leaves open.
    """

    def __init__(
        self,
        client: Client,
        *,
        defaults: Selection | None = None,
        clock: Clock | None = None,
        jitter: Jitter = system_jitter,
        reflector: ReflectorSettings | None = None,
    ) -> None:
        self._client = client
        self._defaults = defaults or Selection()
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._reflector = reflector or ReflectorSettings()
        self._informers: dict[tuple[str, str], Informer] = {}
        self._running: dict[Informer, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._was_started = False

    def register(self, kind: Kind[Any], selection: Selection | None = None) -> Informer:
        """Cache a kind; the same one twice is one cache. Raises KaitoError SelectionConflict for two selections."""
        informer = self._informers.get((kind.api_version, kind.kind))
        if informer is None:
            resolved = (selection or Selection()).over(self._defaults, kind)
            informer = Informer(kind, resolved, self._client, self._clock, self._jitter, self._reflector)
            self._informers[kind.api_version, kind.kind] = informer
            self._start(informer)
        elif selection is not None and selection.over(self._defaults, kind) != informer.resolved:
            raise KaitoError(
                "SelectionConflict",
                f"{kind} is cached as {informer.resolved}, and now wanted as {selection}",
                terminal=True,
                remedy="Choose once, with `manager.caching`, before the controllers are added.",
            )
        return _whole(informer, kind)

    async def informer(self, kind: Kind[Any], selection: Selection | None = None) -> Informer:
        """Cache a kind from now on, if it is not yet, and return once it can be read.

        Raises KaitoError CacheNotStarted, SelectionConflict; InformerStopped when the cache stops before.
        """
        if self._group is None:
            raise _not_started(kind)
        informer = self.register(kind, selection)
        await informer.wait_for_sync()
        return informer

    def remove(self, kind: Kind[Any]) -> None:
        """Cache a kind no longer: its watch, its handlers and its objects go. It may be registered anew."""
        informer = self._informers.pop((kind.api_version, kind.kind), None)
        if informer is not None and (task := self._running.pop(informer, None)) is not None:
            task.cancel()

    def subscribe(self, kind: Kind[Any], handler: Handler, *, resync: float | None = None) -> Subscription:
        """Call `handler` after each change of a kind, with entries that decode to this kind's model.

        `resync` is its own period in seconds in place of the selection's. Raises KaitoError InformerStopped.
        """
        return self.register(kind).subscribe(handler, kind=kind, resync=resync)

    async def run(self) -> None:
        """Keep every registered kind up to date until cancelled. Raises KaitoError CacheStarted if called again."""
        if self._was_started:
            raise KaitoError("CacheStarted", "the cache was started before", terminal=True, remedy="Make a new one.")
        self._was_started = True
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for informer in self._informers.values():
                    self._start(informer)
                await asyncio.Event().wait()
            finally:
                self._group = None

    async def wait_for_sync(self, kinds: Iterable[Kind[Any]] | None = None) -> None:
        """Return once the kinds (all by default) have been listed and their handlers told.

        Raises KaitoError InformerStopped when the cache stops before.
        """
        wanted = self._informers.values() if kinds is None else [self._informer(kind) for kind in kinds]
        for informer in tuple(wanted):
            await informer.wait_for_sync()

    def has_synced(self, kinds: Iterable[Kind[Any]]) -> bool:
        """Say whether the kinds have been listed."""
        return all(self._informer(kind).synced.is_set() for kind in kinds)

    @property
    def pending(self) -> list[str]:
        """The kinds that have not been listed yet."""
        return [str(informer.kind) for informer in self._informers.values() if not informer.synced.is_set()]

    async def wait_for_writes(self, writes: Iterable[Write], within: float = BARRIER_SECONDS) -> bool:
        """Return True once the cache shows `writes`, False if it does not within so many seconds."""
        try:
            async with deadline(self._clock, within):
                for informer, write in self._expected(writes):
                    await informer.barrier.shown(write)
        except TimeoutError:
            return False
        return True

    def shows(self, writes: Iterable[Write]) -> bool:
        """Say whether the cache shows `writes` now."""
        return all(informer.barrier.shows(write) for informer, write in self._expected(writes))

    async def at_least(
        self, kind: Kind[T], key: Key, resource_version: str, within: float = BARRIER_SECONDS
    ) -> T | None:
        """Return an object that is as new as `resource_version`, None if it is gone since.

        Raises KaitoError CacheBehind if the cache does not come that far within so many seconds.
        """
        informer = self._informer(kind)
        try:
            async with deadline(self._clock, within):
                await informer.barrier.shown(Write(kind.api_version, kind.kind, key, resource_version))
        except TimeoutError as error:
            raise KaitoError(
                "CacheBehind",
                f"{kind} {key} has not come to version {resource_version} in the cache within {within:g} s",
                remedy="Try again; if that lasts, look at the watches of this process.",
            ) from error
        return self.get(kind, key)

    def get(self, kind: Kind[T], key: Key) -> T | None:
        """Return the object, or None.

        Raises KaitoError KindNotCached, NamespaceNotCached, CacheNotStarted, ObjectUnreadable.
        """
        entry = self.entry(kind, key)
        return None if entry is None else entry.decode()

    def entry(self, kind: Kind[T], key: Key) -> CacheEntry[T] | None:
        """Return the undecoded object, or None."""
        entry = self._readable(kind).get(key)
        return None if entry is None else entry.of(kind)

    def list(
        self,
        kind: Kind[T],
        namespace: str | None = None,
        labels: Labels | None = None,
        fields: Mapping[str, str] | None = None,
        limit: int = 0,
    ) -> list[T]:
        """Return the objects that `entries` would."""
        return [entry.decode() for entry in self.entries(kind, namespace, labels, fields, limit)]

    def entries(
        self,
        kind: Kind[T],
        namespace: str | None = None,
        labels: Labels | None = None,
        fields: Mapping[str, str] | None = None,
        limit: int = 0,
    ) -> builtins.list[CacheEntry[T]]:
        """Return the undecoded objects of a namespace (None: of all) that `labels` select, `limit` of them at most.

        `fields` are values that the indexes of these names must have. Raises KaitoError KindNotCached,
        NamespaceNotCached, CacheNotStarted, UnknownIndex.
        """
        store = self._readable(kind)
        if fields:
            found = store.matching(fields, namespace)
        else:
            found = store.all() if namespace is None else store.within(namespace)
        if labels is not None:
            selector = labels if isinstance(labels, Selector) else Selector.of(labels)
            found = [entry for entry in found if selector.matches(entry.metadata.labels)]
        return [entry.of(kind) for entry in (found[:limit] if limit else found)]

    def by_index(self, kind: Kind[T], index: str, value: str) -> builtins.list[CacheEntry[T]]:
        """Return the objects that have `value` in an index; "owner" holds the uids of owners. Raises UnknownIndex."""
        return [entry.of(kind) for entry in self._readable(kind).by_index(index, value)]

    def add_index(self, kind: Kind[Any], name: str, function: IndexFunction) -> None:
        """Index a kind, which is registered if it is not yet. Raises KaitoError IndexExists."""
        self.register(kind).store.add_index(name, function)

    def live(self, api_version: str, kind: str, key: Key) -> Object | None:
        """Return a private copy of an object as JSON, if all of it is cached (what `Client.apply` compares with)."""
        informer = self._informers.get((api_version, kind))
        if informer is None or not informer.is_faithful or not informer.store.holds(key.namespace):
            return None
        entry = informer.store.get(key)
        return None if entry is None else entry.json()

    def _start(self, informer: Informer) -> None:
        if self._group is not None:
            self._running[informer] = self._group.create_task(informer.run(), name=f"informer {informer.kind}")

    def _expected(self, writes: Iterable[Write]) -> Iterable[tuple[Informer, Write]]:
        for write in writes:
            informer = self._informers.get((write.api_version, write.kind))
            if informer is not None and informer.barrier.expects(write):
                yield informer, write

    def _readable(self, kind: Kind[Any]) -> Store:
        if not self._was_started:
            raise _not_started(kind)
        return self._informer(kind).store

    def _informer(self, kind: Kind[Any]) -> Informer:
        informer = self._informers.get((kind.api_version, kind.kind))
        if informer is None:
            raise KaitoError(
                "KindNotCached",
                f"{kind} is not cached",
                terminal=True,
                remedy="Let a controller watch or own it, or call `manager.caching`, or `await cache.informer`.",
            )
        return _whole(informer, kind)


def _not_started(kind: Kind[Any]) -> KaitoError:
    return KaitoError(
        "CacheNotStarted",
        f"{kind} cannot be read before the cache runs",
        terminal=True,
        remedy="Read in reconciles, or after `await manager.start()`.",
    )


def _whole(informer: Informer, kind: Kind[Any]) -> Informer:
    """Return the informer. Raises KaitoError MetadataOnly if it has not what `kind` is read as."""
    is_partial, wants_all = informer.kind.model is PartialObjectMetadata, kind.model is not PartialObjectMetadata
    if is_partial and wants_all and informer.resolved.mode == "metadata":
        raise KaitoError(
            "MetadataOnly",
            f"of {kind} nothing but the metadata is cached",
            terminal=True,
            remedy="Register the kind with its model first, or read it as PartialObjectMetadata here too.",
        )
    return informer
