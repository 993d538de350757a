"""The numbers of a rolling update. Pure. Source: Kubernetes' `pkg/controller/deployment/{rolling,util}.go`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kaito.core import Object


@dataclass(frozen=True)
class Limits:
    """How far a Deployment may be from its replicas while it rolls out; both in pods."""

    max_surge: int
    max_unavailable: int


def limits(spec: Object) -> Limits:
    """Resolve maxSurge (rounds up) and maxUnavailable (rounds down); both zero would deadlock, so one may be missing.

    Recreate has neither. Defaults are Kubernetes' own: 25 % each.
    """
    strategy = spec.get("strategy") or {}
    replicas = desired_replicas(spec)
    if strategy.get("type") == "Recreate":
        return Limits(0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    surge = _resolve(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _resolve(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(surge, min(unavailable, replicas))


def desired_replicas(spec: Object) -> int:
    """Return `spec.replicas`, 1 when it is not set."""
    replicas = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


def _resolve(value: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        return int(value)
    share = int(value[:-1]) * replicas / 100
    return math.ceil(share) if up else math.floor(share)


def size(replica_set: Object | None) -> int:
    """Return the replicas a ReplicaSet is asked for; 0 for none."""
    return 0 if replica_set is None else desired_replicas(replica_set["spec"])


def available(replica_set: Object | None) -> int:
    """Return the available pods of a ReplicaSet; 0 for none."""
    return 0 if replica_set is None else int((replica_set.get("status") or {}).get("availableReplicas") or 0)


def new_size(spec: Object, new: Object | None, old: Sequence[Object]) -> int:
    """Return the size of the new ReplicaSet: up to the replicas, as far as the surge allows."""
    replicas = desired_replicas(spec)
    current = size(new)
    if (spec.get("strategy") or {}).get("type") == "Recreate" or current >= replicas:
        return replicas
    room = replicas + limits(spec).max_surge - current - sum(size(one) for one in old)
    return current + max(0, min(room, replicas - current))


def old_sizes(spec: Object, new: Object | None, old: Sequence[Object]) -> dict[str, int]:
    """Return the smaller sizes of old ReplicaSets (by name, oldest first in `old`), as far as availability allows.

    Pods that are not available go first: they serve nobody.
    """
    replicas = desired_replicas(spec)
    min_available = replicas - limits(spec).max_unavailable
    total = size(new) + sum(size(one) for one in old)
    budget = total - min_available - (size(new) - available(new))
    sizes = {one["metadata"]["name"]: size(one) for one in old}
    if budget <= 0:
        return {}
    for one in old:
        unhealthy = max(0, size(one) - available(one))
        removed = min(budget, unhealthy)
        sizes[one["metadata"]["name"]] -= removed
        budget -= removed
    spare = available(new) + sum(available(one) for one in old) - min_available
    for one in old:
        name = one["metadata"]["name"]
        removed = max(0, min(budget, spare, sizes[name]))
        sizes[name] -= removed
        budget -= removed
        spare -= removed
    return {
        one["metadata"]["name"]: sizes[one["metadata"]["name"]]
        for one in old
        if sizes[one["metadata"]["name"]] < size(one)
    }


def proportional_sizes(total: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Spread `total` over ReplicaSets in the proportion of their sizes; what rounding leaves goes to the largest.

    Used when a Deployment is scaled in the middle of a rollout.
    """
    before = sum(sizes.values())
    if before == 0:
        return dict(sizes)
    spread = {name: replicas * total // before for name, replicas in sizes.items()}
    largest = max(sizes, key=lambda name: (sizes[name], name))
    spread[largest] += total - sum(spread.values())
    return spread
