"""Release: what a deleted Workspace had is taken away in order, and it goes when all of it is gone."""

from kaito.api import MACHINE, WORKSPACE_FINALIZER
from kaito.controllers.workspace.phases.claim_nodes import marked
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Action, Delete, SetFinalizers, Step, Wait
from kaito.core.kinds import DEPLOYMENT
from kaito.core.objects import Key


def stop_workload(snapshot: Snapshot) -> Step:
    """Delete the Deployment; its pods finish what they are at while the nodes are drained."""
    deployment = snapshot.deployment
    if deployment is None or deployment.metadata.deletion_timestamp is not None:
        return Step()
    key = Key(deployment.metadata.namespace, deployment.metadata.name)
    return Step(actions=(Delete(DEPLOYMENT, key, deployment.metadata.uid),))


def release_nodes(snapshot: Snapshot) -> Step:
    """Delete every claim that carries the Workspace's labels, and wait until the last one is gone."""
    actions: tuple[Action, ...] = (
        *marked(snapshot),
        *(Delete(MACHINE, Key("", claim.name), claim.uid) for claim in snapshot.claims if not claim.deleting),
    )
    if not snapshot.claims:
        return Step()
    names = ", ".join(claim.name for claim in snapshot.claims)
    return Step(
        actions, Wait("Deleting", Reason.RELEASING_NODES, f"Waiting until the nodes are gone: Machine {names}.")
    )


def let_go(snapshot: Snapshot) -> Step:
    """Remove our finalizer; what the Workspace owned by reference goes with it."""
    kept = tuple(name for name in snapshot.workspace.metadata.finalizers if name != WORKSPACE_FINALIZER)
    if len(kept) == len(snapshot.workspace.metadata.finalizers):
        return Step()
    return Step(actions=(SetFinalizers(kept),))
