"""What a StatefulSet does next: one pod at a time, in order, and its status. Pure.

Follows Kubernetes' `pkg/controller/statefulset/stateful_set_control.go` (1.34), without volume claims: this cluster has
no PersistentVolumeClaims.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kaito.core import Object
from kaito.local.controllers.pods import is_available, is_terminal, is_terminating, ready_since
from kaito.local.controllers.statefulset.pods import (
    by_ordinal,
    is_healthy,
    is_running_and_ready,
    ordinals,
    pod_from,
    revision,
)
from kaito.local.controllers.statefulset.revisions import Revisions, forgotten, name_of, revisions_of, template_of


@dataclass(frozen=True)
class Decision:
    """What to write: revisions first, then pods, then the status. `refusal` says why there are no pods at all."""

    revisions: Revisions | None = None
    forget: tuple[Object, ...] = ()
    create: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()
    status: Object = field(default_factory=dict)
    refusal: str = ""
    requeue_after: float | None = None


def decide(stateful_set: Object, pods: Sequence[Object], known: Sequence[Object], now: datetime) -> Decision:
    """Return the set's next step; `pods` and `known` (its revisions) are those that it controls."""
    status = dict(stateful_set.get("status") or {})
    if stateful_set["metadata"].get("deletionTimestamp"):
        return Decision(status=status)
    if stateful_set["spec"].get("volumeClaimTemplates"):
        return Decision(status=status, refusal="volumeClaimTemplates: this cluster has no PersistentVolumeClaims")
    live = revisions_of(stateful_set, known)
    numbered = by_ordinal(stateful_set, pods)
    create, delete = _step(stateful_set, numbered, live, now)
    return Decision(
        live,
        tuple(forgotten(stateful_set, known, pods, live)),
        tuple(create),
        tuple(delete),
        _status(stateful_set, list(numbered.values()), live, now),
        requeue_after=_next_available(stateful_set, list(numbered.values()), now),
    )


def _step(
    stateful_set: Object, numbered: Mapping[int, Object], live: Revisions, now: datetime
) -> tuple[list[Object], list[Object]]:
    """Return the pods to make and to delete; in order, that is one of them at most."""
    spec = stateful_set["spec"]
    in_order = spec.get("podManagementPolicy") != "Parallel"
    wanted, create, delete = ordinals(spec), [], []
    for number in wanted:
        pod = numbered.get(number)
        if pod is None:
            create.append(_made(stateful_set, number, live))
        elif is_terminal(pod):
            if not is_terminating(pod):
                delete.append(pod)
        elif not in_order or is_healthy(pod, _min_ready(spec), now):
            continue
        if in_order:
            return create, delete
    surplus = [numbered[number] for number in sorted(numbered, reverse=True) if number not in wanted]
    if in_order and surplus:
        return create, _last(surplus, list(numbered.values()), _min_ready(spec), now)
    delete += [pod for pod in surplus if not is_terminating(pod)]
    if not create and not delete:
        delete = _outdated(stateful_set, numbered, live, now)
    return create, delete


def _made(stateful_set: Object, number: int, live: Revisions) -> Object:
    """Return a new pod: below the partition it is as the pods there are, else as the template says."""
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    kept = number < _partition(stateful_set["spec"]) and strategy.get("type", "RollingUpdate") == "RollingUpdate"
    of = live.current if kept else live.update
    return pod_from(stateful_set, template_of(of), number, name_of(of))


def _last(surplus: Sequence[Object], pods: Sequence[Object], min_ready: int, now: datetime) -> list[Object]:
    """Return the last of the pods that are too many, unless one goes already, or another is not well."""
    last = surplus[0]
    if is_terminating(last):
        return []
    unhealthy = [pod for pod in pods if not is_healthy(pod, min_ready, now)]
    return [last] if is_running_and_ready(last) or unhealthy[:1] == [last] else []


def _outdated(stateful_set: Object, numbered: Mapping[int, Object], live: Revisions, now: datetime) -> list[Object]:
    """Return the last pod that is not as the template says, once all behind it are well again."""
    spec = stateful_set["spec"]
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return []
    for number in reversed(ordinals(spec)):
        if number < _partition(spec):
            break
        pod = numbered[number]
        if revision(pod) != name_of(live.update) and not is_terminating(pod):
            return [pod]
        if not is_healthy(pod, _min_ready(spec), now):
            break
    return []


def _status(stateful_set: Object, pods: Sequence[Object], live: Revisions, now: datetime) -> Object:
    spec, before = stateful_set["spec"], stateful_set.get("status") or {}
    current, update = name_of(live.current), name_of(live.update)
    kept = [pod for pod in pods if not is_terminating(pod)]
    ready = [pod for pod in pods if is_running_and_ready(pod)]
    counts = {
        "readyReplicas": len(ready),
        "currentReplicas": sum(revision(pod) == current for pod in kept),
        "updatedReplicas": sum(revision(pod) == update for pod in kept),
    }
    rolling = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    replicas = len(ordinals(spec))
    if rolling and counts["updatedReplicas"] == counts["readyReplicas"] == len(pods) == replicas:
        counts["currentReplicas"], current = counts["updatedReplicas"], update
    return {
        "observedGeneration": stateful_set["metadata"].get("generation", 0),
        "replicas": len(pods),
        **{name: count for name, count in counts.items() if count},
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": int(before.get("collisionCount") or 0),
        "availableReplicas": sum(is_available(pod, _min_ready(spec), now) for pod in ready),
        **({"conditions": before["conditions"]} if before.get("conditions") else {}),
    }


def _next_available(stateful_set: Object, pods: Sequence[Object], now: datetime) -> float | None:
    """Return the seconds until the next ready pod becomes available; nothing else would wake the controller."""
    min_ready = _min_ready(stateful_set["spec"])
    ends = [since + timedelta(seconds=min_ready) for pod in pods if min_ready and (since := ready_since(pod))]
    return min(((end - now).total_seconds() for end in ends if end > now), default=None)


def _partition(spec: Object) -> int:
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0
    return ordinals(spec).start + int(partition)


def _min_ready(spec: Object) -> int:
    return int(spec.get("minReadySeconds") or 0)
