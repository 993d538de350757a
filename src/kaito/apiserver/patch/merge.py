"""JSON merge patch (RFC 7386)."""

import copy
from typing import Any, cast

from kaito.apiserver.patch.refusal import malformed
from kaito.core.objects import Object


def json_merge_patch(target: Object, patch: Object) -> Object:
    """Return `target` with `patch` merged in: null removes, objects merge, everything else replaces.

    Raises InvalidError when the patch is no object.
    """
    if not isinstance(patch, dict):
        raise malformed("a merge patch must be a JSON object")
    return cast("Object", _merge(target, patch))


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result
