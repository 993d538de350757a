"""Which events are worth a reconcile. An event without an old or a new state is: something came or went."""

from kaito.core.cache import Event
from kaito.core.controller.sources import Predicate


def generation_changed(event: Event) -> bool:
    """Leave out updates that did not change the spec, such as those of status."""
    return event.old is None or event.new is None or event.old.metadata.generation != event.new.metadata.generation


def labels_changed(event: Event) -> bool:
    """Leave out updates that did not change the labels."""
    return event.old is None or event.new is None or event.old.metadata.labels != event.new.metadata.labels


def annotations_changed(event: Event) -> bool:
    """Leave out updates that did not change the annotations."""
    return event.old is None or event.new is None or event.old.metadata.annotations != event.new.metadata.annotations


def deletion_began(event: Event) -> bool:
    """Keep the update that sets the deletion timestamp, and the deletion itself."""
    if event.new is None:
        return True
    was = event.old is not None and event.old.metadata.deletion_timestamp is not None
    return event.new.metadata.deletion_timestamp is not None and not was


def any_of(*predicates: Predicate) -> Predicate:
    """Keep an event that any of `predicates` keeps."""
    return lambda event: any(predicate(event) for predicate in predicates)


def all_of(*predicates: Predicate) -> Predicate:
    """Keep an event that all of `predicates` keep."""
    return lambda event: all(predicate(event) for predicate in predicates)
