"""What an applied object must be for its fields to have owners: declared in the schema, of the right types.

Source of rules and words: structured-merge-diff v6 `typed/validate.go`.
"""

import json
from collections.abc import Iterator
from typing import Any

from kaito.apiserver.fieldmanager.field_set import printed_element
from kaito.apiserver.fieldmanager.typed import list_elements
from kaito.apiserver.schema import StructuralSchema
from kaito.core.errors import InvalidError, Status, api_error
from kaito.core.objects import Object

_EXPECTED = {
    "object": ("map", dict),
    "array": ("list", list),
    "string": ("string", str),
    "boolean": ("boolean", bool),
    "integer": ("numeric (int or float)", int | float),
    "number": ("numeric (int or float)", int | float),
}


def require_types(applied: Object, schema: StructuralSchema) -> None:
    """Raise the 500 that a server answers to an apply whose fields its schema does not know."""
    errors = list(_errors(applied, schema, ""))
    if not errors:
        return
    metadata = applied.get("metadata") or {}
    version = applied["apiVersion"]
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    kind = f"{version if '/' in version else '/' + version}, Kind={applied['kind']}"
    told = errors[0] if len(errors) == 1 else "errors:\n" + "\n".join(f"  {error}" for error in errors)
    raise api_error(Status(500, "", f"failed to create typed patch object ({name}; {kind}): {told}"))


def _errors(value: Any, schema: StructuralSchema, path: str) -> Iterator[str]:
    if value is None or (schema.preserve_unknown_fields and not schema.type):
        return
    words, expected = _EXPECTED.get(schema.type, ("", object))
    if schema.constraints.get("format") == "quantity":
        words, expected = "", object
    if not isinstance(value, expected) or (isinstance(value, bool) and "numeric" in words):
        yield f"{path}: expected {words}, got {_PRINTED.get(schema.type, _value)(value)}"
    elif isinstance(value, dict):
        yield from _member_errors(value, schema, path)
    elif isinstance(value, list) and schema.items is not None:
        yield from _item_errors(value, schema, schema.items, path)


def _member_errors(value: dict[str, Any], schema: StructuralSchema, path: str) -> Iterator[str]:
    for name, item in value.items():
        child = schema.properties.get(name) or schema.values
        if child is not None:
            yield from _errors(item, child, f"{path}.{name}")
        elif schema.type and not schema.preserve_unknown_fields:
            yield f"{path}.{name}: field not declared in schema"


def _item_errors(value: list[Any], schema: StructuralSchema, items: StructuralSchema, path: str) -> Iterator[str]:
    if schema.list_type != "set" and not schema.is_associative_list:
        for index, item in enumerate(value):
            yield from _errors(item, items, f"{path}[{index}]")
        return
    nulls = [index for index, item in enumerate(value) if item is None]
    if nulls and schema.is_associative_list:
        yield f"{path}: element {nulls[0]}: associative list with keys may not have a null element"
        return
    try:
        elements = list_elements(value, schema)
    except InvalidError as error:
        yield f"{path}: {error.message}"
        return
    seen: set[str] = set()
    for element, item in zip(elements, value, strict=True):
        if element in seen:
            yield f"{path}: duplicate entries for key {printed_element(element)}"
        seen.add(element)
        yield from _errors(item, items, path + printed_element(element))


def _type(value: Any) -> str:
    """Return the type of a value as Go's `%T` prints it."""
    names = {bool: "bool", int: "int64", float: "float64", list: "[]interface {}", dict: "map[string]interface {}"}
    return names.get(type(value), "string")


def _quoted(value: Any) -> str:
    """Return a value as Go's `%#v` prints it."""
    text = json.dumps(value) if isinstance(value, str | bool | int | float) else _plain(value)
    return f"&value.valueUnstructured{{Value:{text}}}"


def _value(value: Any) -> str:
    """Return a value as Go's `%v` prints it."""
    return f"&{{{_plain(value)}}}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_plain(item)}" for name, item in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_plain(item) for item in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)


_PRINTED = {"string": _quoted, "integer": _type, "number": _type}
