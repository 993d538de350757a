"""The form in which a Go client or server writes a built-in object: which empty fields are written, and which are not.

A struct is written even when it is empty, a time as null; an empty string, list or map is left out, unless the field
must be given. Source: the struct tags of k8s.io/api v0.34, as `protobuf_fields.txt` and `builtin_types.yaml` keep them.
"""

from typing import Any, Final

from kaito.apiserver.protobuf import Field, fields_of
from kaito.apiserver.schema.builtin import builtin_schema, is_type, named_type
from kaito.core.objects import Object

_OMITTED: Final = object()
_LEFT_OUT_AT_ZERO: Final = {("meta.v1.ObjectMeta", "creationTimestamp")}
"""Times that are not written as null (`omitzero`)."""
_ALWAYS_WRITTEN: Final = {
    ("core.v1.Event", "reportingComponent"),
    ("core.v1.Event", "reportingInstance"),
    ("apps.v1.StatefulSetStatus", "availableReplicas"),
    ("discovery.v1.EndpointSlice", "ports"),
}
"""Fields whose tags say other than the rule: written although nobody must give them."""
_ZERO: Final[dict[str, Any]] = {"s": "", "i": 0, "b": False, "q": "0", "x": 0, "y": ""}


def empty_object(api_version: str, kind: str) -> Object:
    """Return an object of a built-in kind in which nothing is set; empty for a kind that is not known."""
    schema = builtin_schema(api_version, kind)
    return wire_form({}, schema.reference) if schema else {}


def wire_form(value: Object, name: str) -> Object:
    """Return `value`, of the named type (`core.v1.Pod`), as Go writes it. A type that is not known stays as it is."""
    known = fields_of(name)
    if known is None or not is_type(name):
        return value
    required = named_type(name).required
    result = {key: item for key, item in value.items() if key not in known}
    for key in (*(key for key in value if key in known), *(key for key in known if key not in value)):
        needed = key in required or (name, key) in _ALWAYS_WRITTEN
        item = _written(value.get(key), known[key], needed=needed)
        if item is None and (name, key) in _LEFT_OUT_AT_ZERO:
            continue
        if item is not _OMITTED:
            result[key] = item
    return result


def _written(item: Any, field: Field, *, needed: bool) -> Any:
    if "*" in field.flags or "%" in field.flags:
        return _collection(item, field, needed=needed)
    if item is None:
        return _absent(field, needed=needed)
    if field.kind.startswith(":"):
        return wire_form(item, field.kind[1:]) if isinstance(item, dict) else item
    if "!" not in field.flags and not needed and field.kind in ("s", "i", "b") and not item:
        return _OMITTED
    return item


def _collection(items: Any, field: Field, *, needed: bool) -> Any:
    if not items:
        return items if needed else _OMITTED
    if not field.kind.startswith(":"):
        return items
    if isinstance(items, list):
        return [wire_form(item, field.kind[1:]) if isinstance(item, dict) else item for item in items]
    return {key: wire_form(item, field.kind[1:]) if isinstance(item, dict) else item for key, item in items.items()}


def _absent(field: Field, *, needed: bool) -> Any:
    if "!" in field.flags:
        return None if needed else _OMITTED
    if field.kind.startswith(":"):
        return wire_form({}, field.kind[1:])
    if field.kind in ("t", "m"):
        return None
    return _ZERO.get(field.kind) if needed else _OMITTED
