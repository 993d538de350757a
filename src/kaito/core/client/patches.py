"""Patches between what is and what is to be, as small as they can be."""

from collections.abc import Mapping
from typing import Any, Literal

import jsonpatch

from kaito.core.objects import Object

PatchType = Literal["merge", "json", "strategic", "apply"]

CONTENT_TYPES: dict[PatchType, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


def merge_from(base: Mapping[str, Any], wanted: Mapping[str, Any], *, optimistic_lock: bool = False) -> Object:
    """Return the merge patch (RFC 7386) from `base` to `wanted`; empty when they are the same.

    Fields that went are null, lists are replaced whole, so a patch of a list wants `optimistic_lock`: with it the patch
    carries `base`'s resourceVersion, and is a ConflictError if the object has changed since.
    """
    patch = _difference(base, wanted)
    if optimistic_lock and patch:
        version = base["metadata"]["resourceVersion"]
        patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": version}
    return patch


def json_patch_from(
    base: Mapping[str, Any], wanted: Mapping[str, Any], *, optimistic_lock: bool = False
) -> list[Object]:
    """Return the JSON patch (RFC 6902) from `base` to `wanted`; empty when they are the same.

    It changes single items of lists, by their position in `base`. With `optimistic_lock` the patch is refused
    (InvalidError) if the object has changed since.
    """
    patch: list[Object] = jsonpatch.make_patch(base, wanted).patch
    if optimistic_lock and patch:
        version = base["metadata"]["resourceVersion"]
        patch.insert(0, {"op": "test", "path": "/metadata/resourceVersion", "value": version})
    return patch


def _difference(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> Object:
    patch: Object = {name: None for name in base if name not in wanted}
    for name, value in wanted.items():
        before = base.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := _difference(before, value):
                patch[name] = inner
        elif name not in base or not _same(before, value):
            patch[name] = value
    return patch


def _same(before: Any, value: Any) -> bool:
    """Say whether two values are one in JSON: True is not 1, at any depth."""
    if isinstance(before, bool) or isinstance(value, bool):
        return before is value
    if isinstance(before, Mapping) and isinstance(value, Mapping):
        return before.keys() == value.keys() and all(_same(before[name], value[name]) for name in value)
    if isinstance(before, list | tuple) and isinstance(value, list | tuple):
        return len(before) == len(value) and all(map(_same, before, value))
    return bool(before == value)
