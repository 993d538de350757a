"""The status that follows from where a Workspace stands: phase, message, plan, timeline. Pure."""

from datetime import datetime
from typing import Final

from kaito.api import LastFailure, MemoryPlan, TimelineEntry, WorkspacePlan, WorkspaceStatus
from kaito.controllers.options import STAND_IN
from kaito.controllers.workspace.adapter_states import adapter_states
from kaito.controllers.workspace.conditions import Standing, condition, conditions, endpoint
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Wait
from kaito.controllers.workspace.workload import weights_source
from kaito.core.clock import parse_timestamp, timestamp
from kaito.presets import Plan, gib

TIMELINE_ROWS: Final = 32
_LONGEST_MESSAGE: Final = 4096
_UNREAD: Final = frozenset({"accept", "size"})
"""Phases after which nobody acts on a spec that they stop, so that nothing is said of its adapters."""


def status_of(snapshot: Snapshot, standing: Standing, now: datetime) -> WorkspaceStatus:
    """Return the status of a living Workspace."""
    before = snapshot.workspace.status
    phase = _phase(standing)
    plan = snapshot.plan
    deployment = snapshot.deployment
    answers = deployment is not None and deployment.available
    return before.model_copy(
        update={
            "observed_generation": snapshot.workspace.metadata.generation,
            "phase": phase,
            "message": _message(snapshot, standing),
            "eta": None,
            "endpoint": endpoint(snapshot) if answers else before.endpoint,
            "state": _state(before.state, phase),
            "target_node_count": plan.nodes if plan is not None else before.target_node_count,
            "worker_nodes": tuple(sorted(claim.node_name for claim in snapshot.own_claims if claim.node_name)),
            "plan": _plan(snapshot, plan) if plan is not None else before.plan,
            "timeline": _timeline(before, phase, now),
            "adapters": before.adapters if standing.blocked_by in _UNREAD else adapter_states(snapshot),
            "last_failure": _last_failure(before, standing, now),
            "conditions": conditions(snapshot, standing, now, answers=answers),
        }
    )


def deleting_status(snapshot: Snapshot, standing: Standing, now: datetime) -> WorkspaceStatus:
    """Return the status of a Workspace that is going."""
    before = snapshot.workspace.status
    outcome = standing.outcome
    message = outcome.message if outcome is not None else ""
    reason = outcome.reason if outcome is not None else Reason.RELEASING_NODES
    deleting = condition(snapshot, "WorkspaceDeleting", (True, reason, message), now)
    kept = tuple(entry for entry in before.conditions if entry.type != "WorkspaceDeleting")
    return before.model_copy(
        update={
            "phase": "Deleting",
            "message": message,
            "timeline": _timeline(before, "Deleting", now),
            "conditions": (*kept, deleting),
        }
    )


def _phase(standing: Standing) -> str:
    if standing.outcome is None:
        return "Ready"
    return standing.outcome.phase if isinstance(standing.outcome, Wait) else "Failed"


def _state(before: str | None, phase: str) -> str:
    """KAITO's word: once it was ready it is NotReady when it is not, never Pending again."""
    if phase == "Ready":
        return "Ready"
    if phase == "Failed":
        return "Failed"
    return "NotReady" if before in {"Ready", "NotReady"} else "Pending"


def _message(snapshot: Snapshot, standing: Standing) -> str:
    outcome = standing.outcome
    if outcome is not None:
        failure = standing.failure
        text = f"{failure.reason}: {failure.text}" if failure is not None else outcome.message
        return text[:_LONGEST_MESSAGE]
    plan = snapshot.sized
    stand_in = f" It is a stand-in: a tiny model of the same architecture, not {plan.preset.repository}."
    return f"{plan.preset.name} answers at {endpoint(snapshot)}." + (
        stand_in if snapshot.settings.weights == STAND_IN else ""
    )


def _plan(snapshot: Snapshot, plan: Plan) -> WorkspacePlan:
    return WorkspacePlan(
        preset=plan.preset.name,
        weights=weights_source(plan, snapshot.settings),
        sku=plan.sku.name,
        nodes=plan.nodes,
        gpus_per_node=plan.sku.gpus,
        layout=str(plan.spread),
        max_model_len=plan.max_model_len,
        dtype=plan.dtype,
        memory=MemoryPlan(
            weights=gib(plan.memory.weights),
            kv_cache=gib(plan.memory.kv_cache),
            runtime=gib(plan.memory.runtime),
            total=gib(plan.memory.total),
        ),
        notes=plan.notes,
    )


def _timeline(before: WorkspaceStatus, phase: str, now: datetime) -> tuple[TimelineEntry, ...]:
    """Close the row of the phase that ended and open one for the phase that began; nothing while a phase goes on.

    Being ready has no row: the last one before it is closed.
    """
    rows = before.timeline
    if rows and rows[-1].seconds is None:
        if rows[-1].phase == phase:
            return rows
        took = (now - parse_timestamp(rows[-1].started_at)).total_seconds()
        rows = (*rows[:-1], rows[-1].model_copy(update={"seconds": round(max(took, 0.0), 2)}))
    if phase == "Ready":
        return rows
    started_at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (*rows, TimelineEntry(phase=phase, started_at=started_at))[-TIMELINE_ROWS:]


def _last_failure(before: WorkspaceStatus, standing: Standing, now: datetime) -> LastFailure | None:
    failure = standing.failure
    if failure is None:
        return before.last_failure if standing.outcome is not None else None
    had = before.last_failure
    same = had is not None and (had.reason, had.terminal) == (failure.reason, failure.terminal)
    return LastFailure(
        reason=failure.reason,
        message=failure.message[:_LONGEST_MESSAGE],
        remedy=failure.remedy,
        terminal=failure.terminal,
        at=had.at if had is not None and same else timestamp(now),
    )
