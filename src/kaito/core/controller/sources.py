"""From a change of an object to the keys that have to be looked at again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from kaito.core.cache import CacheEntry, Event
from kaito.core.objects import Key, Kind

Mapping = Callable[[Event], Iterable[Key]]
Predicate = Callable[[Event], bool]

INITIAL_PRIORITY: Final = -100
"""Objects that were there at the start wait behind what changes now; from controller-runtime."""


@dataclass(frozen=True)
class Source:
    """One watched kind: whose events, which of them, and what they mean."""

    kind: Kind[Any]
    mapping: Mapping
    predicate: Predicate | None = None

    def keys(self, event: Event) -> Iterable[Key]:
        """Return the keys that `event` concerns, each once."""
        if self.predicate is not None and not self.predicate(event):
            return ()
        return dict.fromkeys(self.mapping(event))


def itself(event: Event) -> Iterable[Key]:
    """Map an object to its own key."""
    return (event.key,)


def controller_owner(owner: Kind[Any], is_namespaced: Callable[[Kind[Any]], bool | None]) -> Mapping:
    """Map an object to the `owner` that controls it, and to the one that did before.

    Owners are matched by group and kind, whatever the version. A cluster-scoped owner has no namespace.
    """

    def mapping(event: Event) -> Iterable[Key]:
        return [
            key
            for entry in (event.old, event.new)
            if entry is not None and (key := _owner_key(entry, owner, is_namespaced(owner))) is not None
        ]

    return mapping


def _owner_key(entry: CacheEntry[Any], owner: Kind[Any], namespaced: bool | None) -> Key | None:
    reference = entry.metadata.controller
    if reference is None or (reference.group, reference.kind) != (owner.group, owner.kind):
        return None
    return Key("" if namespaced is False else entry.metadata.namespace, reference.name)
