"""The objects of one kind. A reader never sees half a change, however large it is."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kaito.core.cache.entry import CacheEntry, Event
from kaito.core.cache.index import OWNER_INDEX, IndexFunction, owner_uids
from kaito.core.cache.partition import Partition
from kaito.core.cache.slices import in_slices
from kaito.core.errors import KaitoError
from kaito.core.objects import Key, Kind

ALL_NAMESPACES: Final = ""
"""Names the partition of all namespaces that have none of their own, and of cluster-scoped objects."""


class Store:
    """Entries by key, in one partition for each namespace that is watched by itself and one for all others."""

    def __init__(self, kind: Kind[Any], partitions: Iterable[str] = (ALL_NAMESPACES,)) -> None:
        self.kind = kind
        self._functions: dict[str, IndexFunction] = {OWNER_INDEX: owner_uids}
        self._partitions = {name: Partition(self._functions) for name in partitions}

    def __len__(self) -> int:
        return sum(len(partition) for partition in self._partitions.values())

    def holds(self, namespace: str) -> bool:
        """Say whether objects of a namespace are kept here."""
        return namespace in self._partitions or ALL_NAMESPACES in self._partitions

    def resource_version(self, namespace: str = ALL_NAMESPACES) -> str:
        """Return how new the objects of a namespace are. Raises KaitoError NamespaceNotCached."""
        return self._of(namespace).resource_version

    def advance(self, resource_version: str, partition: str = ALL_NAMESPACES) -> None:
        """Note that a partition is as new as `resource_version`."""
        self._partitions[partition].resource_version = resource_version

    @property
    def is_filled(self) -> bool:
        """Whether every partition has been replaced by a list."""
        return all(partition.filled for partition in self._partitions.values())

    def get(self, key: Key) -> CacheEntry[Any] | None:
        """Return the entry of `key`. Raises KaitoError NamespaceNotCached."""
        return self._of(key.namespace).get(key.namespace, key.name)

    def all(self) -> list[CacheEntry[Any]]:
        """Return all entries."""
        return [entry for partition in self._partitions.values() for entry in partition]

    def within(self, namespace: str) -> list[CacheEntry[Any]]:
        """Return the entries of a namespace. Raises KaitoError NamespaceNotCached."""
        return self._of(namespace).within(namespace)

    def by_index(self, name: str, value: str) -> list[CacheEntry[Any]]:
        """Return the entries for which index `name` has `value`. Raises KaitoError UnknownIndex."""
        return self.matching({name: value})

    def matching(self, fields: Mapping[str, str], namespace: str | None = None) -> list[CacheEntry[Any]]:
        """Return the entries, of one namespace or of all (None), for which each index of `fields` has that value.

        Raises KaitoError UnknownIndex, NamespaceNotCached.
        """
        for name in fields:
            self._require_index(name)
        partitions = self._partitions.values() if namespace is None else (self._of(namespace),)
        found: list[CacheEntry[Any]] = []
        for partition in partitions:
            first, *others = sorted((partition.index(name).of(value) for name, value in fields.items()), key=len)
            found += [
                entry
                for entry in first
                if all(entry in other for other in others) and namespace in (None, entry.metadata.namespace)
            ]
        return found

    def values(self, name: str) -> set[str]:
        """Return the values that objects have in an index. Raises KaitoError UnknownIndex."""
        self._require_index(name)
        return {value for partition in self._partitions.values() for value in partition.index(name).values}

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Index every object, present and future. Raises KaitoError IndexExists for a taken name."""
        if name in self._functions:
            raise KaitoError("IndexExists", f"{self.kind} already has an index {name!r}", terminal=True)
        self._functions[name] = function
        for partition in self._partitions.values():
            partition.add_index(name, function)

    def put(self, entry: CacheEntry[Any]) -> Event | None:
        """Add or replace an object; None if this very state is here already."""
        partition = self._of(entry.metadata.namespace)
        old = partition.state_of(entry)
        if old is not None and old.is_state_of(entry):
            return None
        partition.put(entry)
        return self._change(old, entry)

    def remove(self, key: Key, last: CacheEntry[Any] | None = None) -> Event | None:
        """Drop an object; `last` is its final state if the server told it. None if it is not here."""
        old = self._of(key.namespace).remove(key.namespace, key.name)
        return None if old is None else Event(self.kind, "DELETED", key, last or old, None)

    async def replace(
        self, entries: list[CacheEntry[Any]], resource_version: str, partition: str = ALL_NAMESPACES
    ) -> Iterator[Event]:
        """Become exactly `entries`, which is emptied; returns the real differences, deletions first.

        What is new is built beside what is there, in slices, and put in its place in one step. Only one task at a time
        may change a partition. Entries of states that were here already are kept, and those given let go, so that a
        list of much the same objects takes no room for them.
        """
        present = self._partitions[partition]
        built = Partition(self._functions)
        async for entry in in_slices(_taken_from(entries)):
            old = present.state_of(entry)
            built.put(old if old is not None and old.is_state_of(entry) else entry)
        gone = deque([entry async for entry in in_slices(present) if built.state_of(entry) is None])
        changed = deque(
            [(old, entry) async for entry in in_slices(built) if (old := present.state_of(entry)) is not entry]
        )
        for name, function in self._functions.items():
            built.add_index(name, function)
        built.resource_version = resource_version
        built.filled = True
        self._partitions[partition] = built
        return self._differences(gone, changed, initial=not present.filled)

    def _differences(
        self,
        gone: deque[CacheEntry[Any]],
        changed: deque[tuple[CacheEntry[Any] | None, CacheEntry[Any]]],
        *,
        initial: bool,
    ) -> Iterator[Event]:
        """Yield events, letting each old state go when it has been told of."""
        while gone:
            entry = gone.popleft()
            yield Event(self.kind, "DELETED", entry.key, entry, None, final_state_unknown=True)
        while changed:
            yield self._change(*changed.popleft(), initial=initial)

    def _change(self, old: CacheEntry[Any] | None, new: CacheEntry[Any], *, initial: bool = False) -> Event:
        return Event(self.kind, "ADDED" if old is None else "MODIFIED", new.key, old, new, initial)

    def _of(self, namespace: str) -> Partition:
        partition = self._partitions.get(namespace, self._partitions.get(ALL_NAMESPACES))
        if partition is None:
            raise KaitoError(
                "NamespaceNotCached",
                f"{self.kind} is not cached in namespace {namespace!r}, only in {', '.join(sorted(self._partitions))}",
                terminal=True,
                remedy="Add the namespace to the kind's `Selection`.",
            )
        return partition

    def _require_index(self, name: str) -> None:
        if name not in self._functions:
            raise KaitoError(
                "UnknownIndex",
                f"{self.kind} has no index {name!r}, only {', '.join(sorted(self._functions))}",
                terminal=True,
                remedy="Add it with `cache.add_index` before reading.",
            )


def _taken_from(entries: list[CacheEntry[Any]]) -> Iterator[CacheEntry[Any]]:
    """Yield the entries in order, and hold none of them any longer."""
    entries.reverse()
    while entries:
        yield entries.pop()
