"""Validation of a value against a structural schema, with the wording of a Kubernetes API server.

Order and texts follow kube-openapi's validators: types, limits and combinators first, then the uniqueness of sets and
maps, then CEL rules, unless an error before makes their result meaningless.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kaito.apiserver.schema.field_error import Cause, FieldError, invalid, not_supported, required, too_long, too_many
from kaito.apiserver.schema.formats import has_format, in_integer_range
from kaito.apiserver.schema.rules import cel_value

if TYPE_CHECKING:
    from kaito.apiserver.schema.structural import StructuralSchema

_BLOCKING = {Cause.NOT_SUPPORTED, Cause.REQUIRED, Cause.TOO_LONG, Cause.TOO_MANY, Cause.TYPE_INVALID}
_RULES_NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def validate(
    value: Any, schema: "StructuralSchema", old: Any = None, known: Sequence[FieldError] = ()
) -> list[FieldError]:
    """Return every error of `value` after those that are known; `oldSelf` is what `old` has at the same place."""
    errors = [*known, *value_errors(value, schema, ""), *duplicate_errors(value, schema, "")]
    if any(error.cause in _BLOCKING for error in errors):
        if _has_rules(schema, frozenset()):
            errors.append(invalid("<nil>", None, _RULES_NOT_CHECKED))
        return errors
    return errors + list(rule_errors(value, schema, old, ""))


def value_errors(value: Any, schema: "StructuralSchema", path: str) -> Iterator[FieldError]:
    """Yield what is wrong with types, limits and combinators at `path` and below."""
    if value is None and schema.nullable:
        return
    actual = type_name(value)
    of_type = _is_of_type(value, actual, schema)
    if not of_type:
        wanted = "integer or string" if schema.int_or_string else schema.type
        words = f'{_name(path)} must be of type {wanted}: "{actual}"'
        yield FieldError(Cause.TYPE_INVALID, path or "<nil>", actual, words)
    if schema.constraints:  # of a wrong type too: 0.5 is no integer, and below a minimum of 1
        yield from _enum_error(value, schema, path)
        yield from _LIMITS.get(actual, _no_limits)(value, schema.constraints, path)
    if not of_type:
        return
    if isinstance(value, dict):
        yield from _object_errors(value, schema, path)
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            yield from value_errors(item, schema.items, f"{path}[{index}]")
    yield from _combinator_errors(value, schema, path)


def type_name(value: Any) -> str:
    """Return JSON's name for the type of a value; whole numbers are integers, however they were written."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _is_of_type(value: Any, actual: str, schema: "StructuralSchema") -> bool:
    if schema.int_or_string:
        return actual in {"integer", "string"}
    if schema.constraints.get("format") == "quantity":
        return actual in {"integer", "number", "string"}
    return not schema.type or actual == schema.type or (schema.type == "number" and actual == "integer")


def _object_errors(value: dict[str, Any], schema: "StructuralSchema", path: str) -> Iterator[FieldError]:
    for name in schema.required:
        if name not in value:
            yield required(_join(path, name))
    for name, item in value.items():
        child = schema.properties.get(name) or schema.values
        if child is not None:
            yield from value_errors(item, child, _join(path, name))


def _enum_error(value: Any, schema: "StructuralSchema", path: str) -> Iterator[FieldError]:
    allowed = schema.constraints.get("enum")
    if allowed is not None and value not in allowed:
        yield not_supported(path or "<nil>", value, allowed)


def _string_limits(value: str, limits: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if "maxLength" in limits and len(value) > limits["maxLength"]:
        yield too_long(path or "<nil>", limits["maxLength"])
    if len(value) < limits.get("minLength", 0):
        yield _limit(path, value, f"should be at least {limits['minLength']} chars long")
    if "pattern" in limits and not _pattern(limits["pattern"]).search(value):
        yield _limit(path, value, f"should match '{limits['pattern']}'")
    if "format" in limits and not has_format(value, limits["format"]):
        yield _limit(path, value, f"must be of type {limits['format']}: {json.dumps(value, ensure_ascii=False)}")


def _number_limits(value: float, limits: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    minimum, maximum = limits.get("minimum"), limits.get("maximum")
    if maximum is not None and limits.get("exclusiveMaximum") and value >= maximum:
        yield _limit(path, value, f"should be less than {maximum}")
    elif maximum is not None and value > maximum:
        yield _limit(path, value, f"should be less than or equal to {maximum}")
    if minimum is not None and limits.get("exclusiveMinimum") and value <= minimum:
        yield _limit(path, value, f"should be greater than {minimum}")
    elif minimum is not None and value < minimum:
        yield _limit(path, value, f"should be greater than or equal to {minimum}")
    factor = limits.get("multipleOf")
    if factor is not None and Decimal(str(value)) % Decimal(str(factor)) != 0:
        yield _limit(path, value, f"should be a multiple of {factor}")
    if "format" in limits and not in_integer_range(value, limits["format"]):
        yield _limit(path, value, f"must be of type {limits['format']}: {value}")


def _array_limits(value: list[Any], limits: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if "maxItems" in limits and len(value) > limits["maxItems"]:
        yield too_many(path or "<nil>", len(value), limits["maxItems"])
    if len(value) < limits.get("minItems", 0):
        yield _limit(path, len(value), f"should have at least {limits['minItems']} items")
    if limits.get("uniqueItems") and next(_repeated(value), None) is not None:
        yield _limit(path, "", "shouldn't contain duplicates")


def _size_limits(value: dict[str, Any], limits: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if "maxProperties" in limits and len(value) > limits["maxProperties"]:
        yield too_many(path or "<nil>", len(value), limits["maxProperties"])
    if len(value) < limits.get("minProperties", 0):
        yield _limit(path, len(value), f"should have at least {limits['minProperties']} properties")


def _no_limits(value: Any, limits: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    yield from ()


_LIMITS: dict[str, Any] = {
    "string": _string_limits,
    "integer": _number_limits,
    "number": _number_limits,
    "array": _array_limits,
    "object": _size_limits,
}


def _combinator_errors(value: Any, schema: "StructuralSchema", path: str) -> Iterator[FieldError]:
    for part in schema.all_of:
        failures = list(value_errors(value, part, path))
        if failures:
            yield from failures
            yield _combined(path, "must validate all the schemas (allOf)")
    if schema.any_of and not any(_matches(value, part, path) for part in schema.any_of):
        yield from _closest(value, schema.any_of, path)
        yield _combined(path, "must validate at least one schema (anyOf)")
    if schema.one_of:
        matching = sum(_matches(value, part, path) for part in schema.one_of)
        if matching != 1:
            found = "none" if matching == 0 else str(matching)
            if matching == 0:
                yield from _closest(value, schema.one_of, path)
            yield _combined(path, f"must validate one and only one schema (oneOf). Found {found} valid")
    if schema.none_of is not None and _matches(value, schema.none_of, path):
        yield _combined(path, "must not validate the schema (not)")


def _closest(value: Any, parts: tuple["StructuralSchema", ...], path: str) -> list[FieldError]:
    """Return the errors of the alternative that fails least: as kube-openapi does, to say what is missing."""
    return min((list(value_errors(value, part, path)) for part in parts), key=len)


def _matches(value: Any, schema: "StructuralSchema", path: str) -> bool:
    return next(value_errors(value, schema, path), None) is None


def duplicate_errors(value: Any, schema: "StructuralSchema", path: str) -> Iterator[FieldError]:
    """Yield repeated items of sets and repeated keys of associative lists (x-kubernetes-list-type)."""
    if isinstance(value, list) and schema.items is not None:
        if schema.list_type == "set":
            for index in _repeated(value):
                yield FieldError(Cause.DUPLICATE, f"{path}[{index}]", value[index])
        elif schema.is_associative_list:
            keys = [_list_key(item, schema.list_map_keys) for item in value]
            for index in _repeated(keys):
                yield FieldError(Cause.DUPLICATE, f"{path}[{index}]", keys[index])
        for index, item in enumerate(value):
            yield from duplicate_errors(item, schema.items, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            child = schema.properties.get(name) or schema.values
            if child is not None:
                yield from duplicate_errors(item, child, _join(path, name))


def _list_key(item: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: item[name] for name in names if name in item} if isinstance(item, dict) else {}


def _repeated(values: list[Any]) -> Iterator[int]:
    counts: dict[str, int] = {}
    for index, value in enumerate(values):
        text = json.dumps(value, sort_keys=True)
        counts[text] = counts.get(text, 0) + 1
        if counts[text] == 2:
            yield index


def rule_errors(value: Any, schema: "StructuralSchema", old: Any, path: str) -> Iterator[FieldError]:
    """Yield what CEL rules refuse. Old values are matched by field and by the keys of associative lists alone."""
    if value is None:
        return
    if schema.rules:
        variables = {"self": cel_value(value, schema)}
        if old is not None:
            variables["oldSelf"] = cel_value(old, schema)
        for rule in schema.rules:
            if rule.uses_old_self and old is None:
                continue
            error = rule.check(schema.type, variables, path or "<nil>")
            if error is not None:
                yield error
    if isinstance(value, dict):
        before = old if isinstance(old, dict) and schema.map_type != "atomic" else {}
        for name, item in value.items():
            child, below = schema.properties.get(name), _join(path, name)
            if child is None:
                child, below = schema.values, f"{path}[{name}]"
            if child is not None:
                yield from rule_errors(item, child, before.get(name), below)
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            yield from rule_errors(item, schema.items, _old_item(item, old, schema), f"{path}[{index}]")


def _old_item(item: Any, old: Any, schema: "StructuralSchema") -> Any:
    if not schema.is_associative_list or not isinstance(old, list):
        return None
    key = _list_key(item, schema.list_map_keys)
    return next((before for before in old if _list_key(before, schema.list_map_keys) == key), None)


def _has_rules(schema: "StructuralSchema", seen: frozenset[int]) -> bool:
    if schema.reference or id(schema) in seen:
        return False  # built-in types carry none
    if schema.rules:
        return True
    below = [*schema.properties.values(), schema.values, schema.items]
    return any(_has_rules(child, seen | {id(schema)}) for child in below if child is not None)


def _limit(path: str, value: Any, words: str) -> FieldError:
    return invalid(path or "<nil>", value, f"{_name(path)} {words}")


def _combined(path: str, words: str) -> FieldError:
    return invalid(path or "<nil>", "", f'"{path}" {words}')


def _name(path: str) -> str:
    return f"{path} in body"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)
