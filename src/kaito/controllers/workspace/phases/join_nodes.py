"""Join nodes: every machine has become a Node that is ready and shows its GPUs."""

from kaito.controllers.workspace.claims import Claim
from kaito.controllers.workspace.reasons import REMEDIES, Reason
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Failure, Step, Wait


def join_nodes(snapshot: Snapshot) -> Step:
    """Wait until every claim is Ready and its Node is too. Source: Karpenter's registered and initialized."""
    waits = [wait for claim in snapshot.own_claims if (wait := _wait_for(snapshot, claim)) is not None]
    return Step(outcome=waits[0] if waits else None)


def _wait_for(snapshot: Snapshot, claim: Claim) -> Wait | None:
    node = snapshot.nodes.get(claim.node_name)
    if not claim.ready:
        hindrance = claim.hindrance
        if hindrance is not None and hindrance.status == "False" and hindrance.condition != "Ready":
            message = f"Machine {claim.name}: {hindrance.message or hindrance.reason}"
            return _waiting(hindrance.reason or Reason.NODES_NOT_READY, message, wrong=True)
        why = f": {hindrance.message}" if hindrance is not None and hindrance.message else ""
        return _waiting(Reason.NODES_NOT_READY, f"Machine {claim.name} is launched, its node is still to come{why}")
    if node is None:
        return _waiting(
            Reason.NODES_NOT_READY, f"Machine {claim.name} is ready, its Node {claim.node_name} is not seen"
        )
    if not node.ready:
        reports = (
            entry.message for entry in node.status.conditions if entry.type == "Ready" and entry.status != "True"
        )
        said = next((message for message in reports if message), "its kubelet does not report Ready.")
        return _waiting(Reason.NODE_NOT_READY, f"Node {claim.node_name} is not ready: {said}", wrong=True)
    if node.gpus < snapshot.sized.sku.gpus:
        message = f"Node {claim.node_name} shows {node.gpus} of {snapshot.sized.sku.gpus} GPUs."
        return _waiting(Reason.NODE_WITHOUT_GPU, message)
    return None


def _waiting(reason: str, message: str, *, wrong: bool = False) -> Wait:
    trouble = Failure(reason, message, REMEDIES.get(reason, "")) if wrong else None
    return Wait("WaitingForNodes", reason, message, trouble=trouble)
