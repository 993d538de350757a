"""Which changes are worth a reconcile.

The predicates about what changed keep every creation and deletion, and leave out an update of which a state is missing.
They see metadata alone, so they cost next to nothing.
"""

from collections.abc import Callable
from typing import Any

from kaito.core.cache import CacheEntry, Event
from kaito.core.selectors import Selector, parse_selector

Predicate = Callable[[Event], bool]
"""Says whether a change matters."""


def _changed(event: Event, field: str) -> bool:
    if event.type != "MODIFIED":
        return True
    old, new = event.old, event.new
    return old is not None and new is not None and getattr(old.metadata, field) != getattr(new.metadata, field)


def resource_version_changed(event: Event) -> bool:
    """Leave out updates that changed nothing at all, such as those that repeat what is known."""
    return _changed(event, "resource_version")


def generation_changed(event: Event) -> bool:
    """Leave out updates that did not change the spec, such as those of status."""
    return _changed(event, "generation")


def labels_changed(event: Event) -> bool:
    """Leave out updates that did not change the labels."""
    return _changed(event, "labels")


def annotations_changed(event: Event) -> bool:
    """Leave out updates that did not change the annotations."""
    return _changed(event, "annotations")


def deletion_began(event: Event) -> bool:
    """Keep the update that sets the deletion timestamp, and the deletion itself."""
    if event.new is None:
        return True
    was = event.old is not None and event.old.metadata.deletion_timestamp is not None
    return event.new.metadata.deletion_timestamp is not None and not was


def object_is(function: Callable[[CacheEntry[Any]], bool]) -> Predicate:
    """Keep a change after which `function` says yes to the object; of a deletion it is asked about the last state."""

    def predicate(event: Event) -> bool:
        entry = event.old if event.type == "DELETED" else event.new
        return entry is not None and function(entry)

    return predicate


def selected_by(selector: Selector | str) -> Predicate:
    """Keep changes of objects whose labels are selected (query form). Raises KaitoError InvalidSelector.

    An object that is no longer selected is left out with the very update that changes its labels.
    """
    wanted = parse_selector(selector) if isinstance(selector, str) else selector
    return object_is(lambda entry: wanted.matches(entry.metadata.labels))


def keep(
    *, added: Predicate | None = None, modified: Predicate | None = None, deleted: Predicate | None = None
) -> Predicate:
    """Judge each type of change by a predicate of its own; one that is not given keeps all."""
    predicates = {"ADDED": added, "MODIFIED": modified, "DELETED": deleted}

    def predicate(event: Event) -> bool:
        chosen = predicates.get(event.type)
        return chosen is None or chosen(event)

    return predicate


def any_of(*predicates: Predicate) -> Predicate:
    """Keep a change that any of `predicates` keeps; those after the first such are not asked."""
    return lambda event: any(predicate(event) for predicate in predicates)


def all_of(*predicates: Predicate) -> Predicate:
    """Keep a change that all of `predicates` keep; those after the first that does not are not asked."""
    return lambda event: all(predicate(event) for predicate in predicates)


def not_(predicate: Predicate) -> Predicate:
    """Keep a change that `predicate` leaves out."""
    return lambda event: not predicate(event)
