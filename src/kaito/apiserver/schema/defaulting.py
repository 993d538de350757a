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
