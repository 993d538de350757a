"""Where a pod goes: filters, then scores, from a snapshot of the nodes. Pure.

The filters run in kube-scheduler's order and the first that refuses a node names the reason, in kube-scheduler's words,
so that its users read what they know.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kaito.core import Object
from kaito.local.controllers.scheduler.affinity import matches_node, preference
from kaito.local.controllers.scheduler.resources import Resources, allocatable, requests, shortages
from kaito.local.controllers.scheduler.taints import effective_taints, untolerated

SCHEDULER_NAME = "default-scheduler"

_REPELLING = frozenset({"NoSchedule", "NoExecute"})
_DISCOURAGING = frozenset({"PreferNoSchedule"})


@dataclass(frozen=True)
class Candidate:
    """A node and what is already reserved on it."""

    node: Object
    taken: Resources
    host_ports: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True)
class Placement:
    """The chosen node, or why there is none."""

    node: str = ""
    message: str = ""


def place(pod: Object, candidates: Sequence[Candidate]) -> Placement:
    """Return where `pod` goes: the node with the best score among those no filter refuses."""
    refusals: Counter[str] = Counter()
    fitting: list[Candidate] = []
    wanted = requests(pod)
    for candidate in candidates:
        reasons = refuse(pod, wanted, candidate)
        refusals.update(reasons)
        if not reasons:
            fitting.append(candidate)
    if fitting:
        best = min(fitting, key=lambda candidate: _order(pod, wanted, candidate))
        return Placement(node=best.node["metadata"]["name"])
    return Placement(message=unschedulable_message(len(candidates), refusals))


def unschedulable_message(nodes: int, refusals: Counter[str]) -> str:
    """Return kube-scheduler's sentence, for example `0/1 nodes are available: 1 Insufficient nvidia.com/gpu.`."""
    if not nodes:
        return "no nodes available to schedule pods"
    reasons = sorted(f"{count} {reason}" for reason, count in refusals.items())
    return f"0/{nodes} nodes are available: {', '.join(reasons)}."


def refuse(pod: Object, wanted: Resources, candidate: Candidate) -> list[str]:
    """Return why the node cannot take the pod; empty when it can."""
    node, spec = candidate.node, pod["spec"]
    tolerations = spec.get("tolerations") or ()
    if (node.get("spec") or {}).get("unschedulable"):
        cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        if untolerated([cordon], tolerations, _REPELLING):
            return ["node(s) were unschedulable"]
    taint = untolerated(effective_taints(node), tolerations, _REPELLING)
    if taint is not None:
        return [f"node(s) had untolerated taint {{{taint.get('key')}: {taint.get('value') or ''}}}"]
    if not matches_node(pod, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    if host_ports(pod) & candidate.host_ports:
        return ["node(s) didn't have free ports for the requested pod ports"]
    return shortages(wanted, allocatable(node), candidate.taken)


def host_ports(pod: Object) -> frozenset[tuple[str, int]]:
    """Return the ports of the node that the pod takes, with their protocols."""
    return frozenset(
        (port.get("protocol") or "TCP", int(port["hostPort"]))
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def wants_scheduling(pod: Object) -> bool:
    """Whether the pod waits for this scheduler."""
    spec = pod.get("spec") or {}
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and not pod["metadata"].get("deletionTimestamp")
        and (spec.get("schedulerName") or SCHEDULER_NAME) == SCHEDULER_NAME
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    )


def _order(pod: Object, wanted: Resources, candidate: Candidate) -> tuple[int, int, int, Fraction, str]:
    """Best first: preferred, not discouraged, no unasked-for accelerators, least allocated, then by name."""
    node = candidate.node
    tolerations = pod["spec"].get("tolerations") or ()
    discouraged = untolerated(effective_taints(node), tolerations, _DISCOURAGING) is not None
    offered = allocatable(node)
    wasted = sum(amount > 0 and not wanted.get(name) for name, amount in offered.items() if "/" in name)
    return (-preference(pod, node), int(discouraged), wasted, _load(offered, candidate.taken), node["metadata"]["name"])


def _load(offered: Resources, taken: Resources) -> Fraction:
    """Return the mean of the allocated shares of cpu and memory."""
    shares: Iterable[Fraction] = [
        taken.get(name, Fraction(0)) / offered[name] for name in ("cpu", "memory") if offered.get(name)
    ]
    shares = list(shares)
    return sum(shares, Fraction(0)) / len(shares) if shares else Fraction(0)
