"""Defaulting by schema: absent fields get their default, nulls that mean "absent" go away first."""

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kaito.apiserver.schema.structural import StructuralSchema


def defaulted(value: Any, schema: "StructuralSchema") -> Any:
    """Return a copy of `value` with defaults filled in at every depth.

    A null is dropped before defaulting unless the field is nullable (Kubernetes: "Defaulting and Nullable").
    """
    if isinstance(value, dict):
        return _defaulted_object(value, schema)
    if isinstance(value, list) and schema.items is not None:
        return [defaulted(item, schema.items) for item in value]
    return copy.deepcopy(value) if isinstance(value, list) else value


def with_defaults_for_null(value: Any, schema: "StructuralSchema") -> Any:
    """Return `value` with the default in the place of each null that its field does not take; other nulls stay."""
    if isinstance(value, list) and schema.items is not None:
        return [_default_for_null(item, schema.items) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, item in value.items():
        child = schema.properties.get(name) or schema.values
        result[name] = item if child is None else _default_for_null(item, child)
    return result


def _default_for_null(value: Any, schema: "StructuralSchema") -> Any:
    if value is None and schema.has_default and not schema.nullable:
        return defaulted(schema.default_value, schema)
    return with_defaults_for_null(value, schema)


def _defaulted_object(value: dict[str, Any], schema: "StructuralSchema") -> dict[str, Any]:
    result = {}
    for name, item in value.items():
        known = schema.properties.get(name) or schema.values
        if item is None and known is not None and not known.nullable:
            continue
        result[name] = copy.deepcopy(item) if known is None else defaulted(item, known)
    for name, child in schema.properties.items():
        if child.has_default and name not in result:
            result[name] = defaulted(child.default_value, child)
    return result
