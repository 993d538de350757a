"""The objects of one kind and their indexes. Synchronous: a reader never sees half a change."""

from collections.abc import Callable, Iterable
from typing import Any

from kaito.core.cache.entry import CacheEntry, Event
from kaito.core.errors import KaitoError
from kaito.core.objects import Key, Kind

IndexFunction = Callable[[CacheEntry[Any]], Iterable[str]]

OWNER_INDEX = "owner"
NAMESPACE_INDEX = "namespace"


class Index:
    """Keys by the values of a function. Values that no object has any more are dropped."""

    def __init__(self, function: IndexFunction) -> None:
        self._function = function
        self._keys: dict[str, dict[Key, None]] = {}

    def keys(self, value: str) -> Iterable[Key]:
        """Return the keys of the objects that have `value`."""
        return self._keys.get(value, {}).keys()

    def move(self, old: CacheEntry[Any] | None, new: CacheEntry[Any] | None) -> None:
        """Take in a change of one object."""
        before = frozenset(self._function(old)) if old is not None else frozenset()
        after = frozenset(self._function(new)) if new is not None else frozenset()
        if old is not None:
            for value in before - after:
                keys = self._keys[value]
                keys.pop(old.key, None)
                if not keys:
                    del self._keys[value]
        if new is not None:
            for value in after - before:
                self._keys.setdefault(value, {})[new.key] = None


class Store:
    """Entries by key, kept at `resource_version`."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self.resource_version = ""
        self._entries: dict[Key, CacheEntry[Any]] = {}
        self._indexes: dict[str, Index] = {
            OWNER_INDEX: Index(lambda entry: [owner.uid for owner in entry.metadata.owner_references]),
            NAMESPACE_INDEX: Index(lambda entry: [entry.metadata.namespace]),
        }

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> CacheEntry[Any] | None:
        """Return the entry of `key`."""
        return self._entries.get(key)

    def all(self) -> list[CacheEntry[Any]]:
        """Return all entries."""
        return list(self._entries.values())

    def by_index(self, name: str, value: str) -> list[CacheEntry[Any]]:
        """Return the entries for which index `name` has `value`. Raises KaitoError UnknownIndex."""
        index = self._indexes.get(name)
        if index is None:
            raise KaitoError(
                "UnknownIndex",
                f"{self.kind} has no index {name!r}, only {', '.join(sorted(self._indexes))}",
                terminal=True,
                remedy="Add it with `cache.add_index` before reading.",
            )
        return [self._entries[key] for key in index.keys(value)]

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Index every object, present and future. Raises KaitoError IndexExists for a taken name."""
        if name in self._indexes:
            raise KaitoError("IndexExists", f"{self.kind} already has an index {name!r}", terminal=True)
        index = Index(function)
        for entry in self._entries.values():
            index.move(None, entry)
        self._indexes[name] = index

    def put(self, entry: CacheEntry[Any]) -> Event | None:
        """Add or replace an object; None if this very state is here already."""
        old = self._entries.get(entry.key)
        if old is not None and _same(old, entry):
            return None
        self._entries[entry.key] = entry
        self._reindex(old, entry)
        return Event(self.kind, "ADDED" if old is None else "MODIFIED", entry.key, old, entry)

    def remove(self, key: Key, last: CacheEntry[Any] | None = None) -> Event | None:
        """Drop an object; `last` is its final state if the server told it. None if it is not here."""
        old = self._entries.pop(key, None)
        if old is None:
            return None
        self._reindex(old, None)
        return Event(self.kind, "DELETED", key, last or old, None)

    def replace(self, entries: Iterable[CacheEntry[Any]], resource_version: str) -> list[Event]:
        """Become exactly `entries`; returns the real differences, deletions first."""
        listed = {entry.key: entry for entry in entries}
        gone = [event for key in list(self._entries) if key not in listed and (event := self.remove(key))]
        changed = [event for entry in listed.values() if (event := self.put(entry))]
        self.resource_version = resource_version
        return gone + changed

    def _reindex(self, old: CacheEntry[Any] | None, new: CacheEntry[Any] | None) -> None:
        for index in self._indexes.values():
            index.move(old, new)


def _same(old: CacheEntry[Any], new: CacheEntry[Any]) -> bool:
    return (old.metadata.uid, old.metadata.resource_version) == (new.metadata.uid, new.metadata.resource_version)
