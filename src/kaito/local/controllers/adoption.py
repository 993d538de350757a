"""Adoption: a controller takes over objects that its selector matches and that nobody controls.

So a Deployment made again after `kubectl delete --cascade=orphan` finds its ReplicaSets. Source: Kubernetes'
`pkg/controller/controller_ref_manager.go`.
"""

from collections.abc import Callable
from typing import Any

from kaito.core import Cache, Client, ConflictError, Kind, NotFoundError, Object, Selector, owner_reference


async def adopt(
    cache: Cache, client: Client, owner: Object, kind: Kind[Any], only: Callable[[Object], bool] | None = None
) -> bool:
    """Make `owner` the controller of matching orphans of a kind; True when there was one. ApiError as `patch`.

    `only` says of an orphan whether it may be adopted at all.

    An owner without a selector, or that is being deleted, adopts nothing.
    """
    selector = selector_of(owner)
    metadata = owner["metadata"]
    if selector is None or metadata.get("deletionTimestamp"):
        return False
    adopted = False
    for entry in cache.entries(kind, metadata["namespace"], labels=selector):
        own = entry.metadata
        if own.controller is not None or own.deletion_timestamp or (only and not only(entry.json())):
            continue
        references = [*(entry.json()["metadata"].get("ownerReferences") or ()), owner_reference(owner)]
        body = {"metadata": {"ownerReferences": references, "resourceVersion": own.resource_version}}
        try:
            await client.patch(kind, own.key, body)
        except (ConflictError, NotFoundError):
            continue  # it changed or went: its next event brings us back
        adopted = True
    return adopted


def selector_of(owner: Object) -> Selector | None:
    """Return the label selector of a Deployment or ReplicaSet; None for an empty one, which would match everything."""
    written = owner["spec"].get("selector") or {}
    if not written.get("matchLabels") and not written.get("matchExpressions"):
        return None
    return Selector.from_label_selector(written)
