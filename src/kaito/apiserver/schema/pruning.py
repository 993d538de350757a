"""Pruning: fields that the schema does not know are dropped, and named, so that the writer can be warned."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kaito.apiserver.schema.structural import StructuralSchema


def prune(obj: Any, schema: "StructuralSchema") -> list[str]:
    """Drop unknown fields from `obj` in place; return their paths, sorted. Pruning again finds nothing."""
    unknown: list[str] = []
    _prune(obj, schema, "", unknown)
    return sorted(unknown)


def _prune(value: Any, schema: "StructuralSchema", path: str, unknown: list[str]) -> None:
    if isinstance(value, list):
        if schema.items is not None:
            for index, item in enumerate(value):
                _prune(item, schema.items, f"{path}[{index}]", unknown)
        return
    if not isinstance(value, dict):
        return
    for name in list(value):
        child = schema.properties.get(name) or schema.values
        here = f"{path}.{name}" if path else name
        if child is not None:
            _prune(value[name], child, here, unknown)
        elif not _keeps_unknown(schema):
            del value[name]
            unknown.append(here)


def _keeps_unknown(schema: "StructuralSchema") -> bool:
    # Without a type nothing is known about the value at all: it has no structure whose fields could be unknown.
    return schema.preserve_unknown_fields or (not schema.type and not schema.properties)
