"""How many pods of a PodDisruptionBudget may go now: its status. Pure.

Source: Kubernetes' `pkg/controller/disruption/disruption.go`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.core import Object
from kaito.core.clock import parse_timestamp, timestamp
from kaito.core.conditions import with_condition
from kaito.local.controllers.pods import is_active, is_ready, is_terminating

EVICTION_TIMEOUT = timedelta(minutes=2)
"""How long an eviction counts whose pod is not seen to go."""


@dataclass(frozen=True)
class Decision:
    """The status to write, and the seconds after which an eviction no longer counts."""

    status: Object
    requeue_after: float | None = None


def decide(budget: Object, pods: Sequence[Object], scales: Mapping[str, int], now: datetime) -> Decision:
    """Return the status of a budget from the pods that it selects.

    `scales` has the replicas of the controllers of these pods, by uid: what a share of pods, or `maxUnavailable`, is
    counted from. Pods of no such controller do not count there.
    """
    spec, before = budget.get("spec") or {}, budget.get("status") or {}
    active = [pod for pod in pods if is_active(pod)]
    expected, desired = _wanted(spec, active, scales)
    disrupted = _still_disrupted(before.get("disruptedPods") or {}, active, now)
    healthy = sum(is_ready(pod) and pod["metadata"]["name"] not in disrupted for pod in active)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    status: Object = {
        "observedGeneration": budget["metadata"].get("generation", 0),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": _conditions(budget, before, allowed, now),
    }
    if disrupted:
        status["disruptedPods"] = disrupted
    ends = [parse_timestamp(since) + EVICTION_TIMEOUT for since in disrupted.values()]
    return Decision(status, min(((end - now).total_seconds() for end in ends), default=None))


def _wanted(spec: Object, pods: Sequence[Object], scales: Mapping[str, int]) -> tuple[int, int]:
    """Return how many pods there should be, and how many of them have to be healthy."""
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if isinstance(least, int):
        return len(pods), least
    owners = {uid for pod in pods if (uid := controller_uid(pod)) in scales}
    expected = sum(scales[uid] for uid in owners)
    if most is not None:
        return expected, max(0, expected - _amount(most, expected))
    return expected, _amount(least, expected) if least is not None else 0


def _amount(value: int | str, of: int) -> int:
    """Resolve a number or a share; shares round up."""
    return value if isinstance(value, int) else math.ceil(int(value.removesuffix("%")) * of / 100)


def controller_uid(pod: Object) -> str:
    """Return the uid of a pod's controller, empty when it has none."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _still_disrupted(marks: Mapping[str, str], pods: Sequence[Object], now: datetime) -> dict[str, str]:
    """Return the evicted pods that have not begun to go; after a while the eviction is taken to have failed."""
    names = {pod["metadata"]["name"] for pod in pods if not is_terminating(pod)}
    return {
        name: since
        for name, since in marks.items()
        if name in names and now < parse_timestamp(since) + EVICTION_TIMEOUT
    }


def _conditions(budget: Object, before: Object, allowed: int, now: datetime) -> list[Object]:
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "observedGeneration": budget["metadata"].get("generation", 0),
        "lastTransitionTime": timestamp(now),
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
    }
    kept = with_condition(list(before.get("conditions") or ()), condition)
    return [{**one, "observedGeneration": condition["observedGeneration"]} for one in kept]
