"""Events in their two forms: core/v1, in which they are stored, and events.k8s.io/v1."""

from kaito.core.objects import Object

_RENAMED = (
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
)
_ZERO: dict[str, object] = {"deprecatedSource": {}, "deprecatedFirstTimestamp": None, "deprecatedLastTimestamp": None}


def to_core(event: Object) -> Object:
    """Return an events.k8s.io/v1 Event in its core/v1 form."""
    names = dict(_RENAMED)
    result = {names.get(name, name): value for name, value in event.items()}
    return {**result, "apiVersion": "v1", "kind": "Event"}


def from_core(event: Object) -> Object:
    """Return a core/v1 Event in its events.k8s.io/v1 form."""
    names = {core: new for new, core in _RENAMED}
    result = {names.get(name, name): value for name, value in event.items()}
    result.setdefault("eventTime", None)
    return {**_ZERO, **result, "apiVersion": "events.k8s.io/v1", "kind": "Event"}
