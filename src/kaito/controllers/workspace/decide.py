"""What is to be done for a Workspace: its phases in order, and the first that has to wait says what for. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from kaito.api import WORKSPACE_FINALIZER, WorkspaceStatus
from kaito.controllers.workspace.conditions import Standing
from kaito.controllers.workspace.phases.accept import accept
from kaito.controllers.workspace.phases.claim_nodes import claim_nodes
from kaito.controllers.workspace.phases.join_nodes import join_nodes
from kaito.controllers.workspace.phases.release import let_go, release_nodes, stop_workload
from kaito.controllers.workspace.phases.serve import serve
from kaito.controllers.workspace.phases.size import size
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.status import deleting_status, status_of
from kaito.controllers.workspace.step import Action, Failure, Step, Wait
from kaito.controllers.workspace.transitions import Occurrence, occurrences

Phase = Callable[[Snapshot], Step]

PHASES: tuple[Phase, ...] = (accept, size, claim_nodes, join_nodes, serve)
"""The life of a Workspace."""

ENDING: tuple[Phase, ...] = (stop_workload, release_nodes, let_go)
"""Its end."""


@dataclass(frozen=True)
class Decision:
    """Actions in order, then the status (None: there is no object left to write it to), then events."""

    actions: tuple[Action, ...]
    status: WorkspaceStatus | None
    occurrences: tuple[Occurrence, ...] = ()


def decide(snapshot: Snapshot, now: datetime) -> Decision:
    """Return what to do. Deciding again on the result decides nothing new."""
    metadata = snapshot.workspace.metadata
    if metadata.deletion_timestamp is not None:
        return _end(snapshot, now)
    snapshot, actions, standing = _walk(snapshot, PHASES)
    return _decision(snapshot, actions, status_of(snapshot, standing, now))


def refuse(snapshot: Snapshot, failure: Failure, now: datetime) -> Decision:
    """Return the decision for a write that the API server refused: nothing but saying so."""
    snapshot, _, standing = _walk(snapshot, PHASES)
    wait = standing.outcome if isinstance(standing.outcome, Wait) else None
    phase = wait.phase if wait is not None else snapshot.workspace.status.phase or "Accepted"
    outcome = Wait(phase, failure.reason, failure.message, trouble=failure)
    return _decision(snapshot, (), status_of(snapshot, Standing(outcome, standing.blocked_by or serve.__name__), now))


def _end(snapshot: Snapshot, now: datetime) -> Decision:
    if WORKSPACE_FINALIZER not in snapshot.workspace.metadata.finalizers:
        return Decision((), None)
    snapshot, actions, standing = _walk(snapshot, ENDING)
    if standing.outcome is None:
        return Decision(actions, None)
    return _decision(snapshot, actions, deleting_status(snapshot, standing, now))


def _walk(snapshot: Snapshot, phases: tuple[Phase, ...]) -> tuple[Snapshot, tuple[Action, ...], Standing]:
    actions: tuple[Action, ...] = ()
    for phase in phases:
        step = phase(snapshot)
        actions += step.actions
        if step.plan is not None:
            snapshot = replace(snapshot, plan=step.plan)
        if step.outcome is not None:
            return snapshot, actions, Standing(step.outcome, phase.__name__)
    return snapshot, actions, Standing(None, "")


def _decision(snapshot: Snapshot, actions: tuple[Action, ...], status: WorkspaceStatus) -> Decision:
    return Decision(actions, status, occurrences(snapshot.workspace.status, status))
