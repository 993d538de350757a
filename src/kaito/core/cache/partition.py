"""The objects of one list and watch: all namespaces of a store, one of them, or the rest."""

from collections.abc import Iterator, Mapping
from typing import Any

from kaito.core.cache.entry import CacheEntry
from kaito.core.cache.index import Index, IndexFunction

Entry = CacheEntry[Any]


class Partition:
    """Entries by namespace and name, and their indexes, as new as `resource_version`.

    Nothing in it is of interest to the garbage collector: dictionaries of strings and entries have no cycles, and it
    leaves them alone. With a tuple per object as its key, it would walk through all of them at each full collection.
    """

    def __init__(self, functions: Mapping[str, IndexFunction]) -> None:
        self.resource_version = ""
        self.filled = False
        """Whether a complete list was taken in."""
        self._namespaces: dict[str, dict[str, Entry]] = {}
        self._indexes = {name: Index(function) for name, function in functions.items()}

    def __len__(self) -> int:
        return sum(len(names) for names in self._namespaces.values())

    def __iter__(self) -> Iterator[Entry]:
        """Return an iterator over the entries, which must not change meanwhile."""
        return (entry for names in self._namespaces.values() for entry in names.values())

    def get(self, namespace: str, name: str) -> Entry | None:
        """Return an entry."""
        return self._namespaces.get(namespace, {}).get(name)

    def state_of(self, entry: Entry) -> Entry | None:
        """Return what is here under the key of `entry`."""
        return self.get(entry.metadata.namespace, entry.metadata.name)

    def within(self, namespace: str) -> list[Entry]:
        """Return the entries of one namespace."""
        return list(self._namespaces.get(namespace, {}).values())

    def index(self, name: str) -> Index:
        """Return an index."""
        return self._indexes[name]

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Index every object, present and future; one that is there already stays."""
        if name in self._indexes:
            return
        index = Index(function)
        for entry in self:
            index.add(entry)
        self._indexes[name] = index

    def put(self, entry: Entry) -> Entry | None:
        """Add or replace an object; returns what it replaced."""
        names = self._namespaces.setdefault(entry.metadata.namespace, {})
        old = names.get(entry.metadata.name)
        names[entry.metadata.name] = entry
        for index in self._indexes.values():
            if old is not None:
                index.drop(old)
            index.add(entry)
        return old

    def remove(self, namespace: str, name: str) -> Entry | None:
        """Drop an object; returns it, None if it is not here."""
        names = self._namespaces.get(namespace, {})
        old = names.pop(name, None)
        if old is not None:
            if not names:
                del self._namespaces[namespace]
            for index in self._indexes.values():
                index.drop(old)
        return old
