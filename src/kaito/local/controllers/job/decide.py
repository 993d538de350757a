"""What a Job does next: which pods it counts, makes and deletes, and its status. Pure.

Follows Kubernetes' job controller (`pkg/controller/job/job_controller.go`, 1.34). A pod carries a finalizer until it is
counted. It is counted in three steps, so that no crash counts it twice or not at all: its uid goes to
`status.uncountedTerminatedPods`, its finalizer is removed, the uid turns into a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from kaito.core import Object
from kaito.core.clock import parse_timestamp, timestamp
from kaito.core.conditions import condition
from kaito.local.controllers.job import replacement
from kaito.local.controllers.job.counting import Count, count
from kaito.local.controllers.job.outcome import COMPLETE, FAILED, Outcome, finished, outcome, with_outcome
from kaito.local.controllers.job.pods import tracked
from kaito.local.controllers.pods import is_active, is_ready, is_terminal, is_terminating

CONTROLLER = "kubernetes.io/job-controller"
"""`spec.managedBy` of the Jobs that this controller runs, or none at all."""


@dataclass(frozen=True)
class JobEvent:
    """An event to record on the Job."""

    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True)
class Decision:
    """What to write, in this order: pods, status, finalizers. `requeue_after` in seconds.

    `create` names the completion index of each new pod, None where the Job has none. `expired` asks for the Job itself
    to be deleted: its `ttlSecondsAfterFinished` is over.
    """

    create: tuple[int | None, ...] = ()
    delete: tuple[Object, ...] = ()
    status: Object = field(default_factory=dict)
    release: tuple[Object, ...] = ()
    events: tuple[JobEvent, ...] = ()
    requeue_after: float | None = None
    expired: bool = False


def decide(job: Object, pods: Sequence[Object], now: datetime) -> Decision:
    """Return the Job's next step; `pods` are those that it controls."""
    status = dict(job.get("status") or {})
    if job["spec"].get("managedBy") not in (None, CONTROLLER):
        return Decision(status=status)
    if job["metadata"].get("deletionTimestamp"):
        return Decision(status=status, release=tuple(pod for pod in pods if tracked(pod)))
    if finished(status):
        left = tuple(pod for pod in pods if tracked(pod) and (is_terminal(pod) or is_terminating(pod)))
        wait = _time_to_live(job, now)
        return Decision(status=status, release=left, requeue_after=wait or None, expired=wait == 0)
    return _running(job, pods, now)


def _running(job: Object, pods: Sequence[Object], now: datetime) -> Decision:
    spec, before = job["spec"], job.get("status") or {}
    status = dict(before)
    if not spec.get("suspend"):
        status.setdefault("startTime", timestamp(now))
    counted = count(job, pods)
    result = outcome(job, status, counted, pods, now)
    active = [pod for pod in pods if is_active(pod)]
    create: list[int | None] = []
    wait: float | None = None
    if result is not None:
        delete = active
    else:
        delete = replacement.surplus(spec, active, counted.succeeded, counted.indexes)
        if not delete:
            create = replacement.missing(spec, pods, counted.succeeded, counted.indexes)
        if create and (wait := replacement.delay(spec, pods, now)):
            create = []
    running = len(active) - len(delete) + len(create)
    status.update(counted.status())
    status |= _numbers(pods, delete, running)
    if not running:
        status.pop("active", None)
    events: list[JobEvent] = []
    if result is not None:
        _conclude(status, result, counted, events, now)
    else:
        _say_suspended(spec, status, events, now)
    return Decision(
        tuple(create),
        tuple(delete),
        status,
        _to_release(job, pods, counted, result),
        tuple(events),
        _earliest(wait, _deadline(spec, status, now)),
    )


def _numbers(pods: Sequence[Object], deleted: Sequence[Object], running: int) -> Object:
    gone = {pod["metadata"]["uid"] for pod in deleted}
    ending = sum(is_terminating(pod) and not is_terminal(pod) for pod in pods)
    ready = sum(is_active(pod) and is_ready(pod) and pod["metadata"]["uid"] not in gone for pod in pods)
    return {"active": running, "ready": ready, "terminating": ending + len(deleted)}


def _conclude(status: Object, result: Outcome, counted: Count, events: list[JobEvent], now: datetime) -> None:
    """Write the outcome: at once what it will be, and that it is so once every pod has ended and is counted."""
    final = not (status.get("active") or status["terminating"] or counted.uncounted)
    status["conditions"] = with_outcome(list(status.get("conditions") or ()), result, now, final=final)
    if not final:
        return
    if result.succeeded:
        status["completionTime"] = timestamp(now)
        events.append(JobEvent("Completed", "Job completed"))
    else:
        events.append(JobEvent(result.reason, result.message, "Warning"))


def _say_suspended(spec: Object, status: Object, events: list[JobEvent], now: datetime) -> None:
    """Keep the Suspended condition; a Job that goes on begins its time anew."""
    suspended, known = bool(spec.get("suspend")), condition(status, "Suspended")
    if (known or {}).get("status", "False") == str(suspended):
        return
    reason, message = ("JobSuspended", "Job suspended") if suspended else ("JobResumed", "Job resumed")
    others = [one for one in status.get("conditions") or () if one["type"] != "Suspended"]
    moment = timestamp(now)
    new = {
        "type": "Suspended",
        "status": str(suspended),
        "reason": reason,
        "message": message,
        "lastProbeTime": moment,
        "lastTransitionTime": moment,
    }
    status["conditions"] = [*others, new]
    events.append(JobEvent("Suspended" if suspended else "Resumed", message))
    if not suspended:
        status["startTime"] = moment


def _to_release(job: Object, pods: Sequence[Object], counted: Count, result: Outcome | None) -> tuple[Object, ...]:
    """Return the pods whose finalizer is not needed any more: they are written down, or nobody counts them."""
    return tuple(
        pod
        for pod in pods
        if tracked(pod) and (pod["metadata"]["uid"] in counted.noted or (result is not None and is_terminating(pod)))
    )


def _deadline(spec: Object, status: Object, now: datetime) -> float | None:
    limit = spec.get("activeDeadlineSeconds")
    if limit is None or spec.get("suspend") or not status.get("startTime"):
        return None
    left = parse_timestamp(status["startTime"]) + timedelta(seconds=int(limit)) - now
    return left.total_seconds() if left.total_seconds() > 0 else None


def _time_to_live(job: Object, now: datetime) -> float | None:
    """Return the seconds until a finished Job is deleted, or None when it is kept."""
    limit = job["spec"].get("ttlSecondsAfterFinished")
    ended = condition(job["status"], COMPLETE) or condition(job["status"], FAILED)
    if limit is None or ended is None:
        return None
    since = parse_timestamp(ended["lastTransitionTime"])
    return max(0.0, (since + timedelta(seconds=int(limit)) - now).total_seconds())


def _earliest(*waits: float | None) -> float | None:
    return min((wait for wait in waits if wait), default=None)
