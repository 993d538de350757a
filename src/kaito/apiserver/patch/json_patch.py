"""JSON patch (RFC 6902), with refusals that say which operation failed."""

import copy
from collections.abc import Sequence
from typing import Any, cast

import jsonpatch
import jsonpointer

from kaito.apiserver.patch.refusal import malformed, unprocessable
from kaito.core.objects import Object

_MOST_OPERATIONS = 10_000
"""A patch with more operations is refused, as kube-apiserver does (`maxJSONPatchOperations`)."""


def json_patch(target: Object, operations: Sequence[Any]) -> Object:
    """Return `target` after all operations. Raises InvalidError: 400 for what is no patch, 422 for one that fails."""
    if not isinstance(operations, list):
        raise malformed("a JSON patch must be a list of operations")
    if len(operations) > _MOST_OPERATIONS:
        raise malformed(f"a JSON patch may have {_MOST_OPERATIONS} operations, not {len(operations)}")
    result: Any = copy.deepcopy(target)
    for index, operation in enumerate(operations):
        if not isinstance(operation, dict):
            raise malformed(f"operation {index} of a JSON patch must be an object")
        result = _apply(result, operation, index)
    if not isinstance(result, dict):
        raise unprocessable("the patch leaves no object")
    return cast("Object", result)


def _apply(target: Any, operation: Any, index: int) -> Any:
    try:
        return jsonpatch.JsonPatch([_tolerated(target, operation)]).apply(target)
    except jsonpatch.JsonPatchTestFailed as error:
        path = operation["path"]
        raise unprocessable(f"operation {index}: testing value at {path} failed: {error}") from error
    except (jsonpatch.JsonPatchConflict, jsonpointer.JsonPointerException) as error:
        words = f"operation {index} ({operation.get('op')} {operation.get('path')}): {error}"
        raise unprocessable(f"the server rejected our request due to an error in our request: {words}") from error
    except (jsonpatch.JsonPatchException, TypeError, AttributeError) as error:
        words = f"operation {index} is no JSON patch operation: {error}"
        raise unprocessable(f"the server rejected our request due to an error in our request: {words}") from error


def _tolerated(target: Any, operation: Any) -> Any:
    """Let a replace of a field that a map lacks add it, a copy of one add null, and a test find null.

    So kube-apiserver's library does (evanphx/json-patch v4), and RFC 6902 does not.
    """
    known = {"replace": "path", "copy": "from", "test": "path"}.get(str(operation.get("op")), "")
    if not known or not operation.get(known):
        return operation
    parent, last = jsonpointer.JsonPointer(operation[known]).to_last(target)
    if not isinstance(parent, dict) or last in parent:
        return operation
    if operation["op"] != "test":
        return {"op": "add", "path": operation.get("path"), "value": operation.get("value")}
    if operation.get("value") is None:
        return {"op": "test", "path": "", "value": target}  # what is missing is null
    return operation
