"""Which pods have to leave a node, and which go now. Source: Karpenter, node/termination/terminator."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kaito.core.clock import parse_timestamp
from kaito.provisioner.node import DISRUPTED_TAINT, Pod, Taint

DISRUPTED: Final = Taint(key=DISRUPTED_TAINT, effect="NoSchedule")
CRITICAL: Final = ("system-cluster-critical", "system-node-critical")
STUCK: Final = timedelta(minutes=1)
"""A pod this long past the end of its grace is stuck: its kubelet is gone, nothing waits for it."""
MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"


@dataclass(frozen=True)
class Drain:
    """`leaving` is all that the node waits for; `evict` are those whose turn it is and that were not told yet."""

    leaving: tuple[Pod, ...]
    evict: tuple[Pod, ...]

    def __str__(self) -> str:
        shown = ", ".join(str(pod) for pod in self.leaving[:3])
        return shown + (f" and {len(self.leaving) - 3} more" if len(self.leaving) > 3 else "")


def drain(pods: Iterable[Pod], now: datetime) -> Drain:
    """Sort pods into tiers (ours before daemons, ordinary before critical); only the first that has pods is told."""
    leaving = tuple(pod for pod in pods if _waited_for(pod, now))
    if not leaving:
        return Drain((), ())
    turn = min(_tier(pod) for pod in leaving)
    evict = tuple(pod for pod in leaving if _tier(pod) == turn and not pod.metadata.deletion_timestamp)
    return Drain(leaving, evict)


def _tier(pod: Pod) -> int:
    owner = pod.metadata.controller
    daemon = owner is not None and owner.kind == "DaemonSet"
    return 2 * (pod.spec.priority_class_name in CRITICAL) + daemon


def _waited_for(pod: Pod, now: datetime) -> bool:
    if pod.status.phase in ("Succeeded", "Failed") or MIRROR_ANNOTATION in pod.metadata.annotations:
        return False
    if any(owner.kind == "Node" for owner in pod.metadata.owner_references):
        return False
    if any(toleration.tolerates(DISRUPTED) for toleration in pod.spec.tolerations):
        return False
    deleted = pod.metadata.deletion_timestamp  # the server sets it to the end of the grace period
    return deleted is None or now < parse_timestamp(deleted) + STUCK
