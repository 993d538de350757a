"""Get, change, and write what changed. Where fields are ours alone, `Client.apply` needs no read before it."""

import copy
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from kaito.core.client.client import Client
from kaito.core.client.patches import merge_from
from kaito.core.errors import KaitoError, NotFoundError
from kaito.core.objects import Kind, Object, key_of

Mutate = Callable[[Object], None]
"""Changes an object, which is empty but for its identity when it does not exist yet, into what it is to be."""


class Written(StrEnum):
    """What was written, in controller-runtime's words."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    UPDATED = "updated"
    UPDATED_STATUS = "updatedStatus"
    UPDATED_STATUS_ONLY = "updatedStatusOnly"


async def create_or_update(client: Client, obj: Object, mutate: Mutate) -> tuple[Object, Written]:
    """Create the object that `obj` names, or update it if `mutate` changes it; return it as it is now.

    Raises KaitoError ObjectRenamed, ConflictError if another changed it meanwhile.
    """
    before = await _read(client, obj)
    if before is None:
        return await client.create(_mutated(obj, mutate)), Written.CREATED
    wanted = _mutated(before, mutate)
    if not merge_from(before, wanted):
        return before, Written.UNCHANGED
    return await client.update(wanted), Written.UPDATED


async def create_or_patch(client: Client, obj: Object, mutate: Mutate) -> tuple[Object, Written]:
    """Create the object that `obj` names, or patch what `mutate` changes of it and of its status.

    Returns it as it is now. Raises KaitoError ObjectRenamed. Another's changes stay where they are not ours.
    """
    before = await _read(client, obj)
    if before is None:
        return await client.create(_mutated(obj, mutate)), Written.CREATED
    patch = merge_from(before, _mutated(before, mutate))
    status = {"status": patch.pop("status")} if "status" in patch else {}
    kind, key, now = _kind(obj), key_of(before), before
    if patch:
        now = await client.patch(kind, key, patch)
    if status:
        now = await client.patch(kind, key, status, subresource="status")
        return now, Written.UPDATED_STATUS if patch else Written.UPDATED_STATUS_ONLY
    return now, Written.UPDATED if patch else Written.UNCHANGED


async def _read(client: Client, obj: Object) -> Object | None:
    try:
        return await client.get(_kind(obj), key_of(obj))
    except NotFoundError:
        return None


def _kind(obj: Object) -> Kind[dict[str, Any]]:
    return Kind(obj["apiVersion"], obj["kind"], dict)


def _mutated(obj: Object, mutate: Mutate) -> Object:
    wanted = copy.deepcopy(obj)
    mutate(wanted)
    if key_of(wanted) != key_of(obj):
        raise KaitoError(
            "ObjectRenamed",
            f"{obj['kind']} {key_of(obj)} became {key_of(wanted)} while it was changed",
            terminal=True,
            remedy="Leave metadata.name and metadata.namespace as they are.",
        )
    return wanted
