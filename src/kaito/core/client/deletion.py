"""The body of a deletion, and what a deletion of many means for a cache."""

from collections.abc import Iterator
from typing import Any, Literal

from kaito.core.client.writes import Write
from kaito.core.objects import Kind, Object, key_of

Propagation = Literal["Background", "Foreground", "Orphan", ""]
"""What becomes of the objects that a deleted one owns; empty leaves it to the kind."""


def delete_options(
    propagation: Propagation,
    grace_period_seconds: int | None,
    dry_run: bool,
    uid: str = "",
    resource_version: str = "",
) -> Object:
    """Return `metav1.DeleteOptions`."""
    options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if preconditions := {n: v for n, v in (("uid", uid), ("resourceVersion", resource_version)) if v}:
        options["preconditions"] = preconditions
    if propagation:
        options["propagationPolicy"] = propagation
    if grace_period_seconds is not None:
        options["gracePeriodSeconds"] = grace_period_seconds
    if dry_run:
        options["dryRun"] = ["All"]
    return options


def deletions(kind: Kind[Any], answer: Object, propagation: Propagation) -> Iterator[Write]:
    """Yield the ends that the answer of a deletion of many promises: not of what a finalizer or a kubelet holds."""
    if kind.kind == "Pod" or propagation in ("Foreground", "Orphan"):
        return
    for item in answer.get("items") or ():
        if not item["metadata"].get("finalizers"):
            yield Write(kind.api_version, kind.kind, key_of(item), uid=item["metadata"].get("uid", ""), deleted=True)
