"""Objects seen through their schema: what their fields are called, how two are merged, how fields are taken out.

The rules are those of structured-merge-diff v6: maps are granular and lists atomic unless the schema says otherwise; a
set's items are named by their value, an associative list's by their keys.
"""

import copy
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from kaito.apiserver.fieldmanager.field_set import Fields, Path, field_element, key_element, value_element
from kaito.apiserver.schema import StructuralSchema
from kaito.apiserver.schema.quantities import canonical_quantity
from kaito.core.errors import InvalidError, Status

NODE = object()
"""Stands for the value of a map or list that is not a leaf."""


def is_granular(value: Any, schema: StructuralSchema) -> bool:
    """Whether a value's parts are owned one by one."""
    if isinstance(value, dict):
        return schema.map_type != "atomic"
    return isinstance(value, list) and (schema.list_type == "set" or schema.is_associative_list)


def list_elements(items: Sequence[Any], schema: StructuralSchema) -> list[str]:
    """Return the path elements of a granular list's items. Raises InvalidError for an item without any of its keys."""
    if schema.list_type == "set":
        return [value_element(item) for item in items]
    return [key_element(_keys(item, schema, index)) for index, item in enumerate(items)]


def _keys(item: Any, schema: StructuralSchema, index: int) -> dict[str, Any]:
    keys = {}
    for name in schema.list_map_keys:
        known = (schema.items or schema).child(name)
        value = item.get(name) if isinstance(item, dict) else None
        if value is not None:
            keys[name] = value
        elif known.has_default:
            keys[name] = known.default_value
        elif known.type and (schema.items or schema).reference:
            keys[name] = 0 if known.type == "integer" else ""  # what the published schema of a Go struct says
    if not keys:
        missing = schema.list_map_keys[0]
        words = f'omits key field "{missing}" (and doesn\'t have default value)'
        words = f"element {index}: associative list with keys has an element that {words}"
        raise InvalidError(Status(400, "BadRequest", words))
    return keys


def nodes(value: Any, schema: StructuralSchema, path: Path = ()) -> Iterator[tuple[Path, Any, bool]]:
    """Yield (path, leaf value or NODE, whether an applier of the whole owns this path), less the root."""
    if isinstance(value, dict):
        for name, item in value.items():
            here = (*path, field_element(name))
            named = name in schema.properties
            yield from _below(item, schema.child(name), here, member=not named or item == {})
    else:
        for element, item in _grouped(value, schema):
            yield from _below(item, schema.items or schema, (*path, element), member=True)


def _below(value: Any, schema: StructuralSchema, path: Path, *, member: bool) -> Iterator[tuple[Path, Any, bool]]:
    if is_granular(value, schema):
        yield path, NODE, member
        yield from nodes(value, schema, path)
    else:
        yield path, value, True


def _grouped(items: Sequence[Any], schema: StructuralSchema) -> Iterator[tuple[str, Any]]:
    groups: dict[str, list[Any]] = {}
    for element, item in zip(list_elements(items, schema), items, strict=True):
        groups.setdefault(element, []).append(item)
    for element, group in groups.items():
        yield element, group[0] if len(group) == 1 else _Repeated(group)


class _Repeated(list[Any]):
    """Items of one list with the same keys: a single leaf, since nothing tells their fields apart."""


def field_set(value: Any, schema: StructuralSchema) -> Fields:
    """Return the fields that whoever writes `value` owns."""
    return frozenset(path for path, _, member in nodes(value, schema) if member)


def named_parents(fields: Fields, schema: StructuralSchema) -> Fields:
    """Return `fields` with the struct fields on the way to them (`EnsureNamedFieldsAreMembers`)."""
    result = set(fields)
    for path in fields:
        here = schema
        for depth, element in enumerate(path[:-1], 1):
            if element.startswith("f:"):
                name = element[2:]
                if name in here.properties:
                    result.add(path[:depth])
                here = here.child(name)
            else:
                here = here.items or here
    return frozenset(result)


def merged(live: Any, applied: Any, schema: StructuralSchema) -> Any:
    """Return `live` with `applied` laid over it; shared list items take the order of `applied`.

    Null takes nothing from a map or list whose parts have owners, and the place of everything else.
    """
    if applied is None and live and is_granular(live, schema):
        return live
    if isinstance(applied, dict) and is_granular(applied, schema):
        before = live if isinstance(live, dict) else {}
        over = {name: merged(before.get(name), item, schema.child(name)) for name, item in applied.items()}
        return {**before, **over}
    if isinstance(applied, list) and is_granular(applied, schema):
        return _merged_list(live if isinstance(live, list) else [], applied, schema)
    if schema.constraints.get("format") == "quantity":
        return canonical_quantity(applied)
    return copy.deepcopy(applied)


def _merged_list(live: list[Any], applied: list[Any], schema: StructuralSchema) -> list[Any]:
    left, right = list_elements(live, schema), list_elements(applied, schema)
    wanted, known, done = set(right), set(left), set[str]()
    shared = deque(element for element in right if element in known)
    result: list[Any] = []
    at, to = 0, 0
    while at < len(left) or to < len(right):
        if at < len(left):
            element = left[at]
            out_of_turn = to < len(right) and element != right[to] and shared and shared[0] != element
            if element in done or (element in wanted and out_of_turn):
                at += 1
                continue
            if element not in wanted:
                result.append(live[at])
                at += 1
                continue
        if to < len(right):
            element = right[to]
            before = live[left.index(element)] if left.count(element) == 1 else None
            result.append(merged(before, applied[to], schema.items or schema))
            done.add(element)
            to += 1
            if shared and shared[0] == element:
                shared.popleft()
    return result


def without(value: Any, gone: Fields, schema: StructuralSchema, path: Path = ()) -> Any:
    """Return `value` without the fields of `gone`. What loses its last part is null."""
    if not is_granular(value, schema) or not any(field[: len(path)] == path for field in gone):
        return value
    below = frozenset(field for field in gone if field[: len(path)] == path)
    if isinstance(value, dict):
        kept = {}
        for name, item in value.items():
            here = (*path, field_element(name))
            if here not in below:
                kept[name] = without(item, below, schema.child(name), here)
        return kept or None
    items = []
    for element, item in zip(list_elements(value, schema), value, strict=True):
        here = (*path, element)
        if here not in below:
            left = without(item, below, schema.items or schema, here)
            items.append(_with_keys(left, item, schema) if isinstance(item, dict) else left)
    return items or None


def _with_keys(left: Any, item: dict[str, Any], schema: StructuralSchema) -> dict[str, Any]:
    keys = {name: item[name] for name in schema.list_map_keys if name in item}  # an item that stays keeps its name
    return {**keys, **(left or {})}


def difference(before: Any, after: Any, schema: StructuralSchema) -> tuple[Fields, Fields]:
    """Return (fields added or changed, fields removed) between two objects; maps and list items count themselves."""
    old = {path: value for path, value, _ in nodes(before, schema)}
    new = {path: value for path, value, _ in nodes(after, schema)}
    changed = {path for path, value in new.items() if path not in old or not _same(old[path], value)}
    return frozenset(changed), frozenset(old.keys() - new.keys())


def _same(left: Any, right: Any) -> bool:
    if left is right or (left in (None, NODE) and right in (None, NODE)):
        return True  # what was null and has items now, or the other way round, has changed in its items alone
    return bool(left == right) and (type(left) is type(right) or _is_number(left, right))


def _is_number(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
