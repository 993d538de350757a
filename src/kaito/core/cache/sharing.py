"""Equal parts of different objects, kept once: Pods of one Deployment have labels and an owner in common."""

from sys import intern
from typing import Any, Final

import msgspec

from kaito.core.objects import Metadata

_REMEMBERED: Final = 1_024
"""Parts that are looked for at a time. Lists come in the order of names, so that equal ones follow one another."""

_parts: dict[bytes, Any] = {}
_set = msgspec.structs.force_setattr


def share(metadata: Metadata, fields: dict[str, msgspec.Raw]) -> Metadata:
    """Let fresh `metadata` use the parts that others had before; `fields` is its JSON.

    A Pod of 10 KB takes 1.0 KiB less for it, out of 10.1.
    """
    _set(metadata, "namespace", intern(metadata.namespace))
    _set(metadata, "creation_timestamp", intern(metadata.creation_timestamp))
    if metadata.annotations:
        _set(metadata, "annotations", {intern(key): value for key, value in metadata.annotations.items()})
    if metadata.labels:
        _set(metadata, "labels", _shared(fields["labels"], metadata.labels))
    if metadata.owner_references:
        _set(metadata, "owner_references", _shared(fields["ownerReferences"], metadata.owner_references))
    return metadata


def _shared(json: msgspec.Raw, part: Any) -> Any:
    key = bytes(json)
    found = _parts.get(key)
    if found is not None:
        return found
    if len(_parts) >= _REMEMBERED:
        _parts.clear()
    if isinstance(part, dict):
        part = {intern(name): intern(value) for name, value in part.items()}
    _parts[key] = part
    return part
