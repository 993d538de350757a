"""From a change of an object to the keys that have to be looked at again."""

from collections.abc import Callable, Iterable
from typing import Any

from kaito.core.cache import CacheEntry, Event
from kaito.core.objects import Key, Kind

Mapping = Callable[[Event], Iterable[Key]]
"""Says which keys a change concerns. A key that is named twice is looked at once."""


def itself(event: Event) -> Iterable[Key]:
    """Map an object to its own key."""
    return () if event.old is None and event.new is None else (event.key,)


def owners_of(
    owner: Kind[Any],
    is_namespaced: Callable[[Kind[Any]], bool | None] = lambda kind: kind.namespaced,
    *,
    controller_only: bool = False,
) -> Mapping:
    """Map an object to those of kind `owner` that own it, and to those that did before.

    Owners are matched by group and kind, whatever the version. A cluster-scoped owner has no namespace; where nobody
    knows yet whether it is one, the object's namespace is taken. With `controller_only` the controlling owner counts.
    """
    wanted = (owner.group, owner.kind)

    def names(entry: CacheEntry[Any]) -> Iterable[str]:
        for reference in entry.metadata.owner_references:
            if (reference.group, reference.kind) == wanted and (reference.controller or not controller_only):
                yield reference.name

    def mapping(event: Event) -> Iterable[Key]:
        return [
            Key("" if is_namespaced(owner) is False else entry.metadata.namespace, name)
            for entry in (event.old, event.new)
            if entry is not None
            for name in names(entry)
        ]

    return mapping


def from_object(function: Callable[[CacheEntry[Any]], Iterable[Key]]) -> Mapping:
    """Map an object by `function`; of an update both states are mapped, so that what it left is looked at too."""

    def mapping(event: Event) -> Iterable[Key]:
        return [key for entry in (event.old, event.new) if entry is not None for key in function(entry)]

    return mapping


def by_type(
    *, added: Mapping | None = None, modified: Mapping | None = None, deleted: Mapping | None = None
) -> Mapping:
    """Map each type of change by a function of its own; one that is not given concerns nobody."""
    mappings = {"ADDED": added, "MODIFIED": modified, "DELETED": deleted}

    def mapping(event: Event) -> Iterable[Key]:
        chosen = mappings.get(event.type)
        return () if chosen is None else chosen(event)

    return mapping
