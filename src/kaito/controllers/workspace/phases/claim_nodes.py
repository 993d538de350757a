"""Claim nodes: exactly one claim for each node of the plan, however often this runs."""

from kaito.api import MACHINE
from kaito.api.machine import LAUNCHED
from kaito.controllers.workspace.claims import Claim, claim_name, machine_manifest, marks
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Action, Create, Delete, Failure, Patch, Step, Wait
from kaito.core.objects import Key

_AWAITING = frozenset({"", "AwaitingReconciliation", "Pending", "Launching", "Unknown"})
"""Reasons of a claim that nobody has tried to launch yet."""


def claim_nodes(snapshot: Snapshot) -> Step:
    """Ask for the nodes that no claim stands for, and wait until every claim has its machine.

    Deleting and failed claims count: a second claim for the same node would be a second machine on the bill.
    """
    plan, own = snapshot.sized, snapshot.own_claims
    taken = {claim.ordinal for claim in own}
    missing = [ordinal for ordinal in range(plan.nodes) if ordinal not in taken]
    actions: tuple[Action, ...] = (
        *_orphans(snapshot),
        *marked(snapshot),
        *(Create(MACHINE, machine_manifest(snapshot.workspace, plan, ordinal)) for ordinal in missing),
    )
    if missing:
        names = ", ".join(claim_name(snapshot.workspace.metadata.uid, ordinal) for ordinal in missing)
        return Step(actions, Wait("ClaimingNodes", Reason.CLAIMING_NODES, f"{_asked(snapshot)}: Machine {names}."))
    return Step(actions, _outcome(snapshot, own))


def _outcome(snapshot: Snapshot, own: tuple[Claim, ...]) -> Wait | Failure | None:
    for claim in own:
        if claim.deleting:
            return Wait(
                "ClaimingNodes", Reason.CLAIM_GOING, f"Machine {claim.name} is going; then another is asked for."
            )
    for claim in own:
        if claim.failed and claim.hindrance is not None:
            return Failure(claim.hindrance.reason, _said(claim, claim.hindrance.message), terminal=True)
    for claim in own:
        if not claim.launched:
            return _not_launched(snapshot, claim)
    return None


def _not_launched(snapshot: Snapshot, claim: Claim) -> Wait:
    hindrance = claim.hindrance
    if hindrance is None or hindrance.condition != LAUNCHED or hindrance.reason in _AWAITING:
        return Wait("ClaimingNodes", Reason.CLAIMING_NODES, f"{_asked(snapshot)}: Machine {claim.name}.")
    message = _said(claim, hindrance.message)
    return Wait("ClaimingNodes", hindrance.reason, message, trouble=Failure(hindrance.reason, message))


def _asked(snapshot: Snapshot) -> str:
    plan = snapshot.sized
    nodes = "1 node" if plan.nodes == 1 else f"{plan.nodes} nodes"
    return f"Asked for {nodes} of {plan.sku.name}, waiting for the provisioner to launch"


def _said(claim: Claim, message: str) -> str:
    return f"Machine {claim.name}: {message}"


def marked(snapshot: Snapshot) -> tuple[Patch, ...]:
    """Return what gives the labels back to claims that somebody took them from."""
    return tuple(
        Patch(MACHINE, Key("", claim.name), marks(snapshot.workspace, claim))
        for claim in snapshot.own_claims
        if not claim.marked
    )


def _orphans(snapshot: Snapshot) -> tuple[Delete, ...]:
    """Return the end of claims that an earlier Workspace of this name left behind: nobody else would pay attention."""
    uid = snapshot.workspace.metadata.uid
    return tuple(
        Delete(MACHINE, Key("", claim.name), claim.uid)
        for claim in snapshot.claims
        if claim.workspace_uid not in {"", uid} and not claim.deleting
    )
