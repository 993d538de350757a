"""Strategic merge patch: a merge patch that knows which lists are sets and which are maps by a key.

Directives, as documented in Kubernetes' "strategic-merge-patch": `$patch: replace|delete`, `$retainKeys`,
`$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
"""

import copy
from typing import Any, cast

from kaito.apiserver.patch.refusal import malformed, unknown_directive, unmergeable
from kaito.apiserver.schema import StructuralSchema
from kaito.core.objects import Object

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def strategic_merge_patch(target: Object, patch: Object, schema: StructuralSchema) -> Object:
    """Return `target` with `patch` merged in as `schema` says. Raises InvalidError for a patch that makes no sense."""
    if not isinstance(patch, dict):
        raise malformed("a strategic merge patch must be a JSON object")
    return _merge_map(target, patch, schema)


def _merge_map(target: Object, patch: Object, schema: StructuralSchema) -> Object:
    match patch.get(_DIRECTIVE):
        case "replace":
            return cast("Object", _plain({name: value for name, value in patch.items() if name != _DIRECTIVE}))
        case "delete":
            return {}
        case None:
            pass
        case other:
            raise unknown_directive(other, patch)
    result = dict(target)
    if _RETAIN in patch:
        result = {name: value for name, value in result.items() if name in patch[_RETAIN]}
    for name in _removals(patch):
        gone = patch[_DELETE + name]
        if isinstance(result.get(name), list):
            result[name] = [item for item in result[name] if item not in gone]
    for name, value in patch.items():
        if _is_directive_name(name):
            continue
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge_value(result.get(name), value, schema.child(name), patch.get(_ORDER + name))
    for name in _orders(patch):
        if name not in patch and isinstance(result.get(name), list):
            result[name] = _ordered(result[name], patch[_ORDER + name], target[name], schema.child(name).merge_key)
    return result


def _merge_value(target: Any, value: Any, schema: StructuralSchema, order: list[Any] | None) -> Any:
    if isinstance(value, dict):
        if "replace" in schema.patch_strategies or not isinstance(target, dict):
            return _plain(value)
        return _merge_map(target, value, schema)
    if isinstance(value, list) and "merge" in schema.patch_strategies:
        before = target if isinstance(target, list) else []
        merged = _merge_list(before, value, schema)
        return _ordered(merged, value if order is None else order, before, schema.merge_key)
    return _plain(value)


def _merge_list(target: list[Any], patch: list[Any], schema: StructuralSchema) -> list[Any]:
    key = schema.merge_key
    if not key:
        return [*target, *(item for item in _plain(patch) if item not in target)]
    rest = [item for item in patch if not _is_directive(item, "replace")]
    if len(rest) < len(patch):
        return cast("list[Any]", _plain(rest))
    result = list(target)
    for item in patch:
        if not isinstance(item, dict):
            raise unmergeable(f"list element types are not identical: {item!r} beside items with a {key}")
        if key not in item:
            raise unmergeable(f"map: {item} does not contain declared merge key: {key}")
        places = [index for index, before in enumerate(result) if before.get(key) == item[key]]
        if item.get(_DIRECTIVE) == "delete":
            result = [before for before in result if before.get(key) != item[key]]
        elif places:
            result[places[0]] = _merge_map(result[places[0]], item, schema.items or schema)
        else:
            result.append(_plain(item))
    return result


def _ordered(items: list[Any], order: list[Any], before: list[Any], key: str) -> list[Any]:
    """Put `items` in `order`; those the patch does not name keep their place among the ones they were beside."""
    wanted = [_identity(entry, key) for entry in order]
    positions = [_identity(entry, key) for entry in before]
    named = sorted(
        (item for item in items if _identity(item, key) in wanted), key=lambda x: wanted.index(_identity(x, key))
    )
    others = [item for item in items if _identity(item, key) not in wanted]
    result = []
    while named and others:
        left, right = _identity(named[0], key), _identity(others[0], key)
        later = left in positions and right in positions and positions.index(left) > positions.index(right)
        result.append((others if later else named).pop(0))
    return [*result, *named, *others]


def _identity(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, dict) else item


def _is_directive(item: Any, word: str) -> bool:
    return isinstance(item, dict) and item.get(_DIRECTIVE) == word


def _is_directive_name(name: str) -> bool:
    return name in {_DIRECTIVE, _RETAIN} or name.startswith((_ORDER, _DELETE))


def _removals(patch: Object) -> list[str]:
    return [name.removeprefix(_DELETE) for name in patch if name.startswith(_DELETE)]


def _orders(patch: Object) -> list[str]:
    return [name.removeprefix(_ORDER) for name in patch if name.startswith(_ORDER)]


def _plain(value: Any) -> Any:
    """Return what a patch adds where nothing was: a copy without directives, nulls and items to delete."""
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if not _is_directive_name(name) and item is not None}
        return {name: _plain(item) for name, item in kept.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value if not _is_directive(item, "delete")]
    return copy.deepcopy(value)
