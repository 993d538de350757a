"""How many pods a ReplicaSet makes or deletes, which, and its status. Pure.

Source of the order in which pods are deleted: Kubernetes' `ActivePodsWithRanks` (`pkg/controller/controller_utils.go`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kaito.core import Object
from kaito.core.clock import parse_timestamp
from kaito.core.conditions import condition
from kaito.core.kinds import REPLICA_SET
from kaito.local.controllers.deployment.rolling import desired_replicas
from kaito.local.controllers.pod_template import pod_of_template
from kaito.local.controllers.pods import is_active, is_available, is_ready, node_name, ready_since, restarts

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
BURST = 500
"""Most pods made or deleted in one reconcile (Kubernetes' `BurstReplicas`)."""

_PHASE_RANK = {"Pending": 0, "": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True)
class Decision:
    """How many pods to create from the template, which to delete, and the status. `requeue_after` in seconds."""

    create: int = 0
    delete: tuple[Object, ...] = ()
    status: Object = field(default_factory=dict)
    requeue_after: float | None = None


def decide(replica_set: Object, pods: Sequence[Object], now: datetime) -> Decision:
    """Return what brings the ReplicaSet's active pods to its replicas."""
    active = [pod for pod in pods if is_active(pod)]
    status = replica_set_status(replica_set, active, now)
    requeue = _next_available(replica_set, active, now)
    if replica_set["metadata"].get("deletionTimestamp"):
        return Decision(status=status)
    missing = desired_replicas(replica_set["spec"]) - len(active)
    if missing > 0:
        return Decision(create=min(missing, BURST), status=status, requeue_after=requeue)
    return Decision(delete=tuple(victims(active, min(-missing, BURST))), status=status, requeue_after=requeue)


def victims(active: Sequence[Object], count: int) -> list[Object]:
    """Return the `count` pods that are least worth keeping, in the order of their deletion."""
    crowded = Counter(node_name(pod) for pod in active)

    def worth(pod: Object) -> tuple[Any, ...]:
        since = ready_since(pod)
        created = pod["metadata"].get("creationTimestamp") or ""
        return (
            bool(node_name(pod)),
            _PHASE_RANK.get((pod.get("status") or {}).get("phase") or "", 1),
            is_ready(pod),
            _deletion_cost(pod),
            -crowded[node_name(pod)],
            -since.timestamp() if since else 0.0,
            -restarts(pod),
            -parse_timestamp(created).timestamp() if created else 0.0,
            pod["metadata"]["name"],
        )

    return sorted(active, key=worth)[:count]


def pod_from(replica_set: Object) -> Object:
    """Return a new pod of the ReplicaSet's template; the server completes its name."""
    return pod_of_template(replica_set["spec"]["template"], replica_set, REPLICA_SET)


def replica_set_status(replica_set: Object, active: Sequence[Object], now: datetime) -> Object:
    """Return the counts of the active pods; a ReplicaFailure condition stays until pods can be made again."""
    labels = (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
    min_ready = int(replica_set["spec"].get("minReadySeconds") or 0)
    counts = {
        "fullyLabeledReplicas": sum(labels.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum(is_available(pod, min_ready, now) for pod in active),
    }
    status: Object = {
        "replicas": len(active),
        "observedGeneration": replica_set["metadata"].get("generation", 0),
        **{name: count for name, count in counts.items() if count},
    }
    failure = condition(replica_set.get("status") or {}, "ReplicaFailure")
    if failure is not None and len(active) < desired_replicas(replica_set["spec"]):
        status["conditions"] = [failure]
    return status


def _deletion_cost(pod: Object) -> int:
    try:
        return int((pod["metadata"].get("annotations") or {}).get(DELETION_COST, 0))
    except ValueError:
        return 0


def _next_available(replica_set: Object, active: Sequence[Object], now: datetime) -> float | None:
    """Return the seconds until the next ready pod becomes available; nothing else would wake the controller."""
    min_ready = int(replica_set["spec"].get("minReadySeconds") or 0)
    if not min_ready:
        return None
    waits = [
        (since + timedelta(seconds=min_ready) - now).total_seconds() for pod in active if (since := ready_since(pod))
    ]
    return min((wait for wait in waits if wait > 0), default=None)
