"""What is to be done for a Workspace: its phases in order, and the first that has to wait says what for. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from kaito.api import WORKSPACE_FINALIZER, WorkspaceStatus
from kaito.controllers.workspace.conditions import STANDS, Standing
from kaito.controllers.workspace.phases.accept import accept
from kaito.controllers.workspace.phases.claim_nodes import claim_nodes
from kaito.controllers.workspace.phases.join_nodes import join_nodes
from kaito.controllers.workspace.phases.load_adapters import load_adapters
from kaito.controllers.workspace.phases.release import let_go, release_nodes, stop_workload
from kaito.controllers.workspace.phases.serve import serve
from kaito.controllers.workspace.phases.size import size
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.status import deleting_status, status_of
from kaito.controllers.workspace.step import Action, Failure, Step, TellServer, Wait
from kaito.controllers.workspace.transitions import Occurrence, occurrences

Phase = Callable[[Snapshot], Step]

PHASES: tuple[Phase, ...] = (accept, size, claim_nodes, join_nodes, load_adapters, serve)
"""The life of a Workspace."""

ENDING: tuple[Phase, ...] = (stop_workload, release_nodes, let_go)
"""Its end."""


@dataclass(frozen=True)
class Decision:
    """Actions in order, then the status (None: there is no object left to write it to), then events.

    `errands` are all that servers are to be told, beside the writes. `again` is in how many seconds to decide again
    though nothing happened.
    """

    actions: tuple[Action, ...]
    status: WorkspaceStatus | None
    occurrences: tuple[Occurrence, ...] = ()
    errands: tuple[TellServer, ...] = ()
    again: float | None = None


def decide(snapshot: Snapshot, now: datetime) -> Decision:
    """Return what to do. Deciding again on the result decides nothing new."""
    metadata = snapshot.workspace.metadata
    if metadata.deletion_timestamp is not None:
        return _end(snapshot, now)
    walk = _walk(snapshot, PHASES)
    return _decision(walk, status_of(walk.snapshot, walk.standing, now))


def refuse(snapshot: Snapshot, failure: Failure, now: datetime) -> Decision:
    """Return the decision for a write that the API server refused: nothing but saying so."""
    walk = _walk(snapshot, PHASES)
    standing = walk.standing
    wait = standing.outcome if isinstance(standing.outcome, Wait) else None
    phase = wait.phase if wait is not None else snapshot.workspace.status.phase or "Accepted"
    outcome = Wait(phase, failure.reason, failure.message, trouble=failure)
    status = status_of(walk.snapshot, Standing(outcome, standing.blocked_by or serve.__name__), now)
    return _decision(replace(walk, actions=()), status)


def _end(snapshot: Snapshot, now: datetime) -> Decision:
    if WORKSPACE_FINALIZER not in snapshot.workspace.metadata.finalizers:
        return Decision((), None)
    walk = _walk(snapshot, ENDING)
    if walk.standing.outcome is None:
        return Decision(walk.actions, None)
    return _decision(walk, deleting_status(walk.snapshot, walk.standing, now))


@dataclass(frozen=True)
class _Walk:
    """How far the phases came: what they knew in the end, and what is to be done."""

    snapshot: Snapshot
    actions: tuple[Action, ...] = ()
    standing: Standing = STANDS
    errands: tuple[TellServer, ...] = ()
    again: float | None = None


def _walk(snapshot: Snapshot, phases: tuple[Phase, ...]) -> _Walk:
    walk = _Walk(snapshot)
    for phase in phases:
        step = phase(walk.snapshot)
        actions, errands = walk.actions + step.actions, walk.errands + step.errands
        walk = replace(walk, actions=actions, errands=errands, again=step.again or walk.again)
        if step.plan is not None:
            walk = replace(walk, snapshot=replace(walk.snapshot, plan=step.plan))
        if step.outcome is not None:
            return replace(walk, standing=Standing(step.outcome, phase.__name__))
    return walk


def _decision(walk: _Walk, status: WorkspaceStatus) -> Decision:
    told = occurrences(walk.snapshot.workspace.status, status)
    return Decision(walk.actions, status, told, walk.errands, walk.again)
