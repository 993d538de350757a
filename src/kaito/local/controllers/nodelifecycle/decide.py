"""What a node's silence means for the node and its pods. Pure.

Source: Kubernetes' `pkg/controller/nodelifecycle`, `tainteviction` and `podgc`; numbers are its defaults.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.core import Object
from kaito.core.clock import parse_timestamp, timestamp
from kaito.core.conditions import condition
from kaito.local.controllers.scheduler.taints import NOT_READY, UNREACHABLE, tolerates

GRACE_PERIOD = timedelta(seconds=40)
"""A node whose Lease is older has stopped reporting (`--node-monitor-grace-period` of many releases)."""

DEFAULT_TOLERATION_SECONDS = 300
"""How long a pod stays on a node that is not ready, when it says nothing (plugin DefaultTolerationSeconds)."""

_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True)
class NodeDecision:
    """The conditions and taints a node gets (None: as they are), and when to look again (seconds)."""

    conditions: list[Object] | None = None
    taints: list[Object] | None = None
    unreachable: bool = False
    requeue_after: float | None = None


def judge_node(node: Object, lease: Object | None, watched_since: datetime, now: datetime) -> NodeDecision:
    """Return what the node's last sign of life means for its conditions and taints.

    Silence counts from `watched_since` at the earliest: after a pause of the whole cluster no node is to blame.
    """
    seen = max(last_seen(node, lease), watched_since)
    silent = now - seen > GRACE_PERIOD
    before = (node.get("status") or {}).get("conditions") or []
    conditions = [_unknown(item, now) for item in before] if silent else before
    if silent and not any(item.get("type") == "Ready" for item in conditions):
        conditions = [*conditions, _never_reported(now)]
    ready = condition({"conditions": conditions}, "Ready")
    taints = wanted_taints(node, (ready or {}).get("status", "Unknown" if silent else "False"), now)
    requeue = None if silent else max(1.0, (seen + GRACE_PERIOD - now).total_seconds() + 1)
    return NodeDecision(
        conditions=conditions if conditions != before else None,
        taints=taints if taints != ((node.get("spec") or {}).get("taints") or []) else None,
        unreachable=silent,
        requeue_after=requeue,
    )


def last_seen(node: Object, lease: Object | None) -> datetime:
    """Return the node's newest sign of life: its Lease, a heartbeat of its Ready condition, or its registration."""
    signs = [parse_timestamp(node["metadata"]["creationTimestamp"])]
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    if renewed:
        signs.append(parse_timestamp(renewed))
    ready = condition(node.get("status") or {}, "Ready")
    if ready and ready.get("status") != "Unknown" and ready.get("lastHeartbeatTime"):
        signs.append(parse_timestamp(ready["lastHeartbeatTime"]))
    return max(signs)


def wanted_taints(node: Object, ready: str, now: datetime) -> list[Object]:
    """Return the node's taints with those of its readiness: none when True, not-ready when False, else unreachable."""
    before = (node.get("spec") or {}).get("taints") or []
    key = {"True": "", "False": NOT_READY}.get(ready, UNREACHABLE)
    kept = [taint for taint in before if taint.get("key") not in (NOT_READY, UNREACHABLE) or taint.get("key") == key]
    present = {taint.get("effect") for taint in kept if taint.get("key") == key}
    added = [
        {"key": key, "effect": effect, "timeAdded": timestamp(now)}
        for effect in ("NoSchedule", "NoExecute")
        if key and effect not in present
    ]
    return [*kept, *added]


def eviction_wait(pod: Object, taints: Sequence[Object], now: datetime) -> float | None:
    """Return the seconds until the pod has to leave its node because of NoExecute taints; None when it may stay."""
    waits = []
    tolerations = (pod.get("spec") or {}).get("tolerations") or ()
    for taint in taints:
        if taint.get("effect") != "NoExecute":
            continue
        matching = [one for one in tolerations if tolerates(one, taint)]
        seconds = [int(one["tolerationSeconds"]) for one in matching if one.get("tolerationSeconds") is not None]
        if matching and not seconds:
            continue
        default = DEFAULT_TOLERATION_SECONDS if taint.get("key") in (NOT_READY, UNREACHABLE) else 0
        allowed = min(seconds) if seconds else default
        since = parse_timestamp(taint["timeAdded"]) if taint.get("timeAdded") else now
        waits.append(max(0.0, (since + timedelta(seconds=allowed) - now).total_seconds()))
    return min(waits, default=None)


def not_ready_conditions(pod: Object, now: datetime) -> list[Object] | None:
    """Return the pod's conditions with Ready turned False for its node's sake; None when it already is."""
    before = (pod.get("status") or {}).get("conditions") or []
    if not any(item.get("type") == "Ready" and item.get("status") == "True" for item in before):
        return None
    return [
        {**item, "status": "False", "reason": "NodeNotReady", "lastTransitionTime": timestamp(now)}
        if item.get("type") == "Ready"
        else item
        for item in before
    ]


def _unknown(item: Object, now: datetime) -> Object:
    if item.get("type") not in _REPORTED or item.get("status") == "Unknown":
        return item
    return {
        **item,
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": timestamp(now),
    }


def _never_reported(now: datetime) -> Object:
    return {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusNeverUpdated",
        "message": "Kubelet never posted node status.",
        "lastTransitionTime": timestamp(now),
    }
