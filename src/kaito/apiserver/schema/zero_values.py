"""What Go reads for a null among the items of a list or the values of a map: nothing can be absent there."""

from typing import Any, Final

from kaito.apiserver.schema.structural import StructuralSchema

_ZERO: Final[dict[str, Any]] = {"string": "", "integer": 0, "number": 0, "boolean": False}


def with_zero_values(value: Any, schema: StructuralSchema) -> Any:
    """Return `value`, of a built-in type, with the type's zero value for each null in a list or map."""
    if isinstance(value, list) and schema.items is not None:
        return [_member(item, schema.items) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, item in value.items():
        if name in schema.properties:
            result[name] = with_zero_values(item, schema.properties[name])
        else:
            result[name] = item if schema.values is None else _member(item, schema.values)
    return result


def _member(item: Any, schema: StructuralSchema) -> Any:
    if item is not None:
        return with_zero_values(item, schema)
    if schema.constraints.get("format") == "quantity":
        return "0"
    if schema.reference:
        return {}
    return _ZERO.get(schema.type)
