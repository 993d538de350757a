"""How a Job ends: complete or failed, with the reason, and the conditions that say so. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.core import Object
from kaito.core.clock import parse_timestamp, timestamp
from kaito.core.conditions import condition
from kaito.local.controllers.job.counting import Count
from kaito.local.controllers.job.pods import has_failed, phase, tracked
from kaito.local.controllers.job.policy import success, verdict
from kaito.local.controllers.pods import is_active

COMPLETE, FAILED = "Complete", "Failed"
SUCCESS_CRITERIA_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"


@dataclass(frozen=True)
class Outcome:
    """What becomes of the Job, and why."""

    succeeded: bool
    reason: str
    message: str


def finished(status: Object) -> bool:
    """Whether the Job is over."""
    return any(_is_true(status, kind) for kind in (COMPLETE, FAILED))


def outcome(job: Object, status: Object, counted: Count, pods: Sequence[Object], now: datetime) -> Outcome | None:
    """Return how the Job ends, None while it goes on. What a condition has announced does not change any more."""
    for kind in (FAILURE_TARGET, SUCCESS_CRITERIA_MET):
        if announced := _is_true(status, kind):
            return Outcome(kind == SUCCESS_CRITERIA_MET, announced.get("reason", ""), announced.get("message", ""))
    return _failure(job, status, counted, pods, now) or _success(job["spec"], job, counted, pods)


def with_outcome(conditions: list[Object], result: Outcome, now: datetime, *, final: bool) -> list[Object]:
    """Return the conditions with the announced outcome, and with the final one when `final`."""
    kinds = (SUCCESS_CRITERIA_MET, COMPLETE) if result.succeeded else (FAILURE_TARGET, FAILED)
    for kind in kinds if final else kinds[:1]:
        if _is_true({"conditions": conditions}, kind) is None:
            moment = timestamp(now)
            conditions.append(
                {
                    "type": kind,
                    "status": "True",
                    "reason": result.reason,
                    "message": result.message,
                    "lastProbeTime": moment,
                    "lastTransitionTime": moment,
                }
            )
    return conditions


def _failure(job: Object, status: Object, counted: Count, pods: Sequence[Object], now: datetime) -> Outcome | None:
    spec = job["spec"]
    for pod in pods:
        if tracked(pod) and has_failed(pod, spec) and (why := verdict(job, pod).fails_job):
            return Outcome(False, "PodFailurePolicy", why)
    limit = 6 if spec.get("backoffLimit") is None else int(spec["backoffLimit"])
    if counted.failed > limit or _restarted_too_often(spec, pods, limit):
        return Outcome(False, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if _too_late(spec, status, now):
        return Outcome(False, "DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def _too_late(spec: Object, status: Object, now: datetime) -> bool:
    seconds, start = spec.get("activeDeadlineSeconds"), status.get("startTime")
    if seconds is None or not start or spec.get("suspend"):
        return False
    return parse_timestamp(start) + timedelta(seconds=int(seconds)) <= now


def _restarted_too_often(spec: Object, pods: Sequence[Object], limit: int) -> bool:
    """Containers that restart in their pod count as failures too."""
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        int(one.get("restartCount") or 0)
        for pod in pods
        if phase(pod) in ("Running", "Pending")
        for name in ("initContainerStatuses", "containerStatuses")
        for one in pod["status"].get(name) or ()
    )
    return restarts > 0 if limit == 0 else restarts >= limit


def _success(spec: Object, job: Object, counted: Count, pods: Sequence[Object]) -> Outcome | None:
    if matched := success(job, counted.indexes):
        return Outcome(True, "SuccessPolicy", matched)
    active, completions = any(is_active(pod) for pod in pods), spec.get("completions")
    if completions is None:
        done = counted.succeeded > 0 and not active
    else:
        done = counted.succeeded >= int(completions) and not active
    return Outcome(True, "CompletionsReached", "Reached expected number of succeeded pods") if done else None


def _is_true(status: Object, kind: str) -> Object | None:
    found = condition(status, kind)
    return found if found is not None and found.get("status") == "True" else None
