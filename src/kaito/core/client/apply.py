"""What is sent by a server-side apply, and when nothing needs to be sent.

An object is left alone when its annotation equals the digest of what is desired, and all that is desired is in the live
object. A digest alone misses edits by others; containment alone misses what is no longer desired.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from kaito.core.client.meaning import already_says
from kaito.core.objects import Object
from kaito.core.owners import set_controller_reference

APPLIED_ANNOTATION: Final = "kaito.sh/applied"
"""Holds the digest of what was applied last."""


def desired_object(obj: Object, owner: Mapping[str, Any] | None, namespace: str) -> Object:
    """Return a private copy of `obj` as it is to be, in `namespace` and with `owner` as its controller.

    A Secret's `stringData` becomes `data`, which is what the server keeps of it.
    """
    desired: Object = orjson.loads(orjson.dumps(obj))
    metadata = desired.setdefault("metadata", {})
    metadata.pop("managedFields", None)
    if namespace:
        metadata["namespace"] = namespace
    if owner is not None:
        set_controller_reference(owner, desired)
    if desired.get("kind") == "Secret" and "stringData" in desired:
        data = desired.setdefault("data", {})
        for name, text in (desired.pop("stringData") or {}).items():
            data[name] = base64.b64encode(text.encode()).decode("ascii")
    return desired


def digest(desired: Mapping[str, Any], field_manager: str) -> str:
    """Return the digest of what a manager desires: equal for equal content, whatever the order of its fields."""
    content = orjson.dumps([field_manager, desired], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:32]


def marked(desired: Object, mark: str) -> Object:
    """Return `desired` with its digest in the annotation."""
    metadata = desired["metadata"]
    annotations = {**(metadata.get("annotations") or {}), APPLIED_ANNOTATION: mark}
    return {**desired, "metadata": {**metadata, "annotations": annotations}}


def is_applied(live: Mapping[str, Any], desired: Mapping[str, Any], mark: str) -> bool:
    """Say whether `live` bears this mark and says all that is desired."""
    annotations = live["metadata"].get("annotations") or {}
    return annotations.get(APPLIED_ANNOTATION) == mark and already_says(live, desired)
