"""The conditions that follow from where a Workspace stands. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kaito.api import Condition, ConditionStatus
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Failure, Wait
from kaito.core.conditions import transition_time

_BEFORE_NODES: Final = frozenset({"accept", "size"})
_AFTER_NODES: Final = frozenset({"", "load_adapters", "serve"})


@dataclass(frozen=True)
class Standing:
    """Where a Workspace stands: the outcome of the one that has to wait, and its name; both empty when all is done."""

    outcome: Wait | Failure | None
    blocked_by: str

    @property
    def failure(self) -> Failure | None:
        """What is wrong, whether it is the end or is tried again."""
        return self.outcome.trouble if isinstance(self.outcome, Wait) else self.outcome


STANDS: Final = Standing(None, "")


def endpoint(snapshot: Snapshot) -> str:
    """Return the base URL of the OpenAI API inside the cluster."""
    metadata = snapshot.workspace.metadata
    return f"http://{metadata.name}.{metadata.namespace}.svc/v1"


def conditions(snapshot: Snapshot, standing: Standing, now: datetime, *, answers: bool) -> tuple[Condition, ...]:
    """Return the conditions of a living Workspace; `answers` says whether a pod of it does."""
    outcome = standing.outcome
    reason = outcome.reason if outcome is not None else ""
    message = (
        standing.failure.text if standing.failure is not None else (outcome.message if outcome is not None else "")
    )
    blocked = (False, reason, message)
    claims = snapshot.own_claims
    claimed = bool(claims) and all(claim.ready and not claim.deleting for claim in claims)
    # A spec that was edited into one that cannot be served takes no node away.
    nodes = standing.blocked_by in _AFTER_NODES or (claimed and standing.blocked_by in _BEFORE_NODES)
    machines = nodes or claimed
    ready = nodes and answers and outcome is None
    where = f"The model answers at {endpoint(snapshot)}."
    judged = {
        "MachineReady": (True, Reason.MACHINES_READY, "Every Machine is ready.") if machines else blocked,
        "ResourceReady": (True, Reason.NODES_READY, "Every node is ready with its GPUs.") if nodes else blocked,
        "InferenceReady": (True, Reason.MODEL_ANSWERS, where) if answers else blocked,
        "WorkspaceReady": (True, Reason.WORKSPACE_READY, where) if ready else blocked,
        "WorkspaceSucceeded": (True, Reason.WORKSPACE_SUCCEEDED, where) if ready else blocked,
    }
    return tuple(condition(snapshot, name, verdict, now) for name, verdict in judged.items())


def condition(snapshot: Snapshot, name: str, verdict: tuple[bool, str, str], now: datetime) -> Condition:
    """Return one condition; its time moves only when its status does."""
    holds, reason, message = verdict
    status: ConditionStatus = "True" if holds else "False"
    return Condition(
        type=name,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=transition_time(snapshot.workspace.status.condition(name), status, now),
        observed_generation=snapshot.workspace.metadata.generation,
    )
