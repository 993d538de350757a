"""Alive: the instance still exists, and the node was not deleted under the Machine."""

from dataclasses import replace

from kaito.api.machine import LAUNCHED, READY, REGISTERED
from kaito.provisioner.lifecycle.progress import DEPENDENTS, Notice, Progress

VANISHED_REASON = "InstanceVanished"


def survive(at: Progress) -> Progress:
    """End a claim whose instance is gone or whose node is being deleted, so that its owner replaces it."""
    if at.vanished:
        message = (
            f"The cloud no longer has the instance {at.machine.status.provider_id}: it was deleted outside of this "
            "cluster, or taken back. The Machine is deleted, so that its owner makes another."
        )
        at = at.condition(LAUNCHED, "False", VANISHED_REASON, message)
        return replace(at.notice(Notice("Warning", VANISHED_REASON, message)), delete_machine=True)
    if at.machine.is_true(REGISTERED) and at.node is not None and at.node.metadata.deletion_timestamp:
        message = f"Node {at.node.metadata.name} is being deleted: its Machine goes with it."
        return replace(at.notice(Notice("Normal", "DisruptionTerminating", message)), delete_machine=True)
    return at


def conclude(at: Progress) -> Progress:
    """Set Ready from the conditions that it depends on. Source: operatorpkg, with the cause in the message."""
    conditions = [found for one in DEPENDENTS if (found := at.machine.condition(one)) is not None]
    first = next((one for one in conditions if one.status == "False"), None)
    if first is not None:
        return at.condition(READY, "False", "UnhealthyDependents", f"{first.type}: {first.reason}")
    first = next((one for one in conditions if one.status != "True"), None)
    if first is not None:
        return at.condition(READY, "Unknown", "ReconcilingDependents", f"{first.type}: {first.reason}")
    return at.condition(READY, "True", "Ready", "")
