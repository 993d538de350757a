"""Objects by the values that a function finds in them."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from kaito.core.cache.entry import CacheEntry
from kaito.core.logs import get_logger

log = get_logger()

Entry = CacheEntry[Any]
IndexFunction = Callable[[Entry], Iterable[str]]
"""Returns the values of an object: the same for the same entry at any time."""

OWNER_INDEX: Final = "owner"


def owner_uids(entry: Entry) -> Iterable[str]:
    """Return the uids of all owners: the index that every kind has."""
    return [owner.uid for owner in entry.metadata.owner_references]


class Index:
    """Entries by the values of a function. Values that no object has any more are dropped.

    A function that raises gives the object no values, and an error in the log.
    """

    def __init__(self, function: IndexFunction) -> None:
        self._function = function
        self._entries: dict[str, dict[Entry, None]] = {}

    def of(self, value: str) -> dict[Entry, None]:
        """Return the entries that have `value`; not to be changed."""
        return self._entries.get(value, {})

    @property
    def values(self) -> list[str]:
        """The values that objects have."""
        return list(self._entries)

    def add(self, entry: Entry) -> None:
        """Take in an object."""
        for value in self._values(entry):
            self._entries.setdefault(value, {})[entry] = None

    def drop(self, entry: Entry) -> None:
        """Forget an object."""
        for value in self._values(entry):
            entries = self._entries.get(value, {})
            entries.pop(entry, None)
            if not entries:
                self._entries.pop(value, None)

    def _values(self, entry: Entry) -> Iterable[str]:
        try:
            return frozenset(self._function(entry))
        except Exception:
            log.exception("an index function failed", kind=str(entry.kind), key=str(entry.key))
            return ()
