"""What happens to an object because of its owners and dependents. Pure.

Source: Kubernetes' `pkg/controller/garbagecollector` and the documentation of owner references and cascading deletion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kaito.core import Metadata, OwnerReference

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

OwnerState = Literal["present", "absent", "waiting", "wrong scope"]
"""`waiting`: the owner is being deleted in the foreground and waits for its dependents."""


@dataclass(frozen=True)
class Decision:
    """What to do with one object."""

    delete: Literal["", "Background", "Foreground"] = ""
    keep_owners: tuple[OwnerReference, ...] | None = None
    """The owner references to leave, when some are to be removed."""
    remove_finalizer: str = ""
    orphan_dependents: bool = False
    delete_dependents: bool = False
    wrong_scope: tuple[OwnerReference, ...] = field(default=())


def decide(
    own: Metadata, owners: Sequence[tuple[OwnerReference, OwnerState]], dependents: Sequence[Metadata]
) -> Decision:
    """Return what to do with the object `own`, given the state of its owners and its dependents.

    An owner in the wrong scope is none: a cluster-scoped object cannot be owned by a namespaced one, and an owner is
    looked up in its dependent's own namespace only. Such an object is never collected for it.
    """
    wrong = tuple(owner for owner, state in owners if state == "wrong scope")
    if own.deletion_timestamp:
        return _deleting(own, dependents)
    known = [(owner, state) for owner, state in owners if state != "wrong scope"]
    if not known or wrong:
        return Decision(wrong_scope=wrong)
    alive = tuple(owner for owner, state in known if state == "present")
    waiting = [owner for owner, state in known if state == "waiting"]
    if alive:
        return Decision() if len(alive) == len(known) else Decision(keep_owners=alive)
    if waiting and dependents:
        return Decision(delete="Foreground")
    return Decision(delete="Background")


def _deleting(own: Metadata, dependents: Sequence[Metadata]) -> Decision:
    if ORPHAN in own.finalizers:
        return Decision(remove_finalizer=ORPHAN, orphan_dependents=bool(dependents))
    if FOREGROUND in own.finalizers:
        blocking = [dependent for dependent in dependents if _blocks(own.uid, dependent)]
        if not blocking:
            return Decision(remove_finalizer=FOREGROUND)
        return Decision(delete_dependents=True)
    return Decision()


def _blocks(uid: str, dependent: Metadata) -> bool:
    return any(owner.uid == uid and owner.block_owner_deletion for owner in dependent.owner_references)
