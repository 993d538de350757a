"""The status of a Deployment: counts, and the conditions Available, Progressing and ReplicaFailure. Pure.

Reasons and messages are Kubernetes' own (`pkg/controller/deployment/util/deployment_util.go`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from kaito.core import Object
from kaito.core.clock import parse_timestamp, timestamp
from kaito.core.conditions import condition, with_condition, without_condition
from kaito.local.controllers.deployment.rolling import available, desired_replicas, limits, size

PROGRESS_DEADLINE_SECONDS = 600
"""`spec.progressDeadlineSeconds` when it is not set."""


def deployment_status(deployment: Object, new: Object | None, old: Sequence[Object], now: datetime) -> Object:
    """Return the whole status of a Deployment from what its ReplicaSets report."""
    before = deployment.get("status") or {}
    everything = [*old, *([new] if new else [])]
    ready = sum(int((one.get("status") or {}).get("readyReplicas") or 0) for one in everything)
    running = sum(int((one.get("status") or {}).get("replicas") or 0) for one in everything)
    serving = sum(available(one) for one in everything)
    counts = {
        "replicas": running,
        "updatedReplicas": int(((new or {}).get("status") or {}).get("replicas") or 0),
        "readyReplicas": ready,
        "availableReplicas": serving,
        "unavailableReplicas": max(0, sum(size(one) for one in everything) - serving),
    }
    status: Object = {"observedGeneration": deployment["metadata"].get("generation", 0)}
    status.update({name: count for name, count in counts.items() if count})
    if before.get("collisionCount"):
        status["collisionCount"] = before["collisionCount"]
    conditions = with_condition(list(before.get("conditions") or ()), _available(deployment, serving, now))
    conditions = _with_progress(deployment, status, conditions, new, now)
    conditions = _with_replica_failure(conditions, everything)
    status["conditions"] = conditions
    return status


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether the rollout of the current spec is over: every replica updated and available, none old."""
    replicas = desired_replicas(deployment["spec"])
    names = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == replicas for name in names)


def progress_deadline(deployment: Object, status: Object) -> datetime | None:
    """Return when an unfinished rollout times out, or None when nothing is pending."""
    if is_complete(deployment, status) or deployment["spec"].get("paused"):
        return None
    progressing = condition(status, "Progressing")
    if progressing is None or progressing.get("status") != "True" or not progressing.get("lastUpdateTime"):
        return None
    return parse_timestamp(progressing["lastUpdateTime"]) + timedelta(seconds=_deadline_seconds(deployment))


def _deadline_seconds(deployment: Object) -> int:
    return int(deployment["spec"].get("progressDeadlineSeconds") or PROGRESS_DEADLINE_SECONDS)


def _condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": timestamp(now),
        "lastTransitionTime": timestamp(now),
    }


def _available(deployment: Object, serving: int, now: datetime) -> Object:
    if serving >= desired_replicas(deployment["spec"]) - limits(deployment["spec"]).max_unavailable:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    return _condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now
    )


def _with_progress(
    deployment: Object, status: Object, conditions: list[Object], new: Object | None, now: datetime
) -> list[Object]:
    before = deployment.get("status") or {}
    current = condition({"conditions": conditions}, "Progressing")
    name = new["metadata"]["name"] if new else deployment["metadata"]["name"]
    if is_complete(deployment, status):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return with_condition(conditions, _condition("Progressing", "True", "NewReplicaSetAvailable", message, now))
    if deployment["spec"].get("paused"):
        message = "Deployment is paused"
        return with_condition(conditions, _condition("Progressing", "Unknown", "DeploymentPaused", message, now))
    finished = current is not None and current.get("reason") == "NewReplicaSetAvailable"
    if finished and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return conditions  # a pod of a finished rollout was lost: that is not a new rollout
    if current is None or current.get("status") == "Unknown" or _progressed(before, status):
        reason = "NewReplicaSetCreated" if current is None else "ReplicaSetUpdated"
        message = f'Created new replica set "{name}"' if current is None else f'ReplicaSet "{name}" is progressing.'
        fresh = _condition("Progressing", "True", reason, message, now)
        if current is not None and current.get("status") == "True":
            fresh["lastTransitionTime"] = current.get("lastTransitionTime", fresh["lastTransitionTime"])
        return [*without_condition(conditions, "Progressing"), fresh]
    updated = current.get("lastUpdateTime")
    if updated and parse_timestamp(updated) + timedelta(seconds=_deadline_seconds(deployment)) < now:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return with_condition(conditions, _condition("Progressing", "False", "ProgressDeadlineExceeded", message, now))
    return conditions


def _progressed(before: Object, after: Object) -> bool:
    def old_replicas(status: Object) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grew = any(
        after.get(name, 0) > before.get(name, 0) for name in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grew or old_replicas(after) < old_replicas(before)


def _with_replica_failure(conditions: list[Object], replica_sets: Sequence[Object]) -> list[Object]:
    for replica_set in replica_sets:
        failure = condition(replica_set.get("status") or {}, "ReplicaFailure")
        if failure is not None:
            return with_condition(conditions, {**failure, "lastUpdateTime": failure.get("lastTransitionTime", "")})
    return without_condition(conditions, "ReplicaFailure")
