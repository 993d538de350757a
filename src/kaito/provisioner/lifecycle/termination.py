"""The way out: cordon, drain, delete the instance and wait until it is gone, then let node and Machine go.

The Node outlives its instance by its finalizer, so that a kubelet cannot register it again on the way.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from kaito.api.machine import READY, TERMINATION_FINALIZER, Machine, MachineCondition
from kaito.core.clock import parse_timestamp
from kaito.provisioner.clouds import Instance
from kaito.provisioner.lifecycle.draining import DISRUPTED, Drain, drain
from kaito.provisioner.lifecycle.progress import Notice, with_condition
from kaito.provisioner.limits import Limits
from kaito.provisioner.node import EXCLUDE_FROM_LOAD_BALANCERS_LABEL, Node, Pod

EXCLUDED_BY: Final = "karpenter"


@dataclass(frozen=True)
class Farewell:
    """One step of a termination.

    `nodes` are as they should be; of those, `delete_nodes` are deleted by name. `evict` asks, `delete_pods` does not.
    `release` drops the Machine's finalizer. `poll` says in how many seconds to look again; None waits for an event.
    """

    machine: Machine
    nodes: tuple[Node, ...] = ()
    delete_nodes: tuple[Node, ...] = ()
    evict: tuple[Pod, ...] = ()
    delete_pods: tuple[Pod, ...] = ()
    delete_instance: bool = False
    release: bool = False
    poll: float | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Remains:
    """What is left of a Machine that is being deleted."""

    machine: Machine
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    instance: Instance | None
    cloud_poll: float


def terminate(left: Remains, limits: Limits, now: datetime) -> Farewell:
    """Return the next step of a termination; the same remains give the same step, so it may be cut off anywhere."""
    instance = left.instance
    if instance is None:
        return _let_go(left)
    if not left.machine.status.provider_id:  # cut off before the launch was written down: its node must be found later
        status = left.machine.status.model_copy(update={"provider_id": instance.provider_id})
        left = replace(left, machine=left.machine.model_copy(update={"status": status}))
    staying = tuple(node for node in left.nodes if _can_run_pods(node))
    pods = drain(left.pods if staying else (), now)
    since = parse_timestamp(left.machine.metadata.deletion_timestamp or left.machine.metadata.creation_timestamp)
    impatient = since + timedelta(seconds=limits.drain)
    if pods.leaving and now < impatient + timedelta(seconds=limits.force):
        return _draining(left, pods, limits, now, forced=now >= impatient)
    machine, notices = _say(left.machine, "InstanceTerminating", "Waiting for the cloud to delete the instance.", now)
    return Farewell(
        machine,
        nodes=tuple(_cordoned(node) for node in left.nodes),
        delete_nodes=tuple(node for node in left.nodes if not node.metadata.deletion_timestamp),
        delete_instance=not instance.terminating,
        poll=left.cloud_poll,
        notices=notices,
    )


def _draining(left: Remains, pods: Drain, limits: Limits, now: datetime, *, forced: bool) -> Farewell:
    machine, notices = _say(left.machine, "Draining", f"Waiting for {len(pods.leaving)} pods to leave: {pods}.", now)
    return Farewell(
        machine,
        nodes=tuple(_cordoned(node) for node in left.nodes),
        evict=() if forced else pods.evict,
        delete_pods=pods.evict if forced else (),
        poll=limits.drain_poll,
        notices=notices,
    )


def _let_go(left: Remains) -> Farewell:
    """Release what the instance has left: nodes first, then the Machine, when the last node has gone."""
    if not left.nodes:
        return Farewell(left.machine, release=True)
    return Farewell(
        left.machine,
        nodes=tuple(released(node) for node in left.nodes),
        delete_nodes=tuple(node for node in left.nodes if not node.metadata.deletion_timestamp),
        poll=left.cloud_poll,
    )


def released(node: Node) -> Node:
    """Return the node without our finalizer."""
    finalizers = tuple(one for one in node.metadata.finalizers if one != TERMINATION_FINALIZER)
    return node.with_metadata(finalizers=finalizers)


def _cordoned(node: Node) -> Node:
    """Return the node closed to new pods and new connections."""
    taints = node.spec.taints
    if not any(taint.matches(DISRUPTED) for taint in taints):
        taints = (*taints, DISRUPTED)
    labels = {**node.metadata.labels, EXCLUDE_FROM_LOAD_BALANCERS_LABEL: EXCLUDED_BY}
    return node.with_metadata(labels=labels).with_spec(taints=taints, unschedulable=True)


def _can_run_pods(node: Node) -> bool:
    """Tell whether a kubelet ever reported on the node; if none did, there are no pods to wait for."""
    return node.ready is not None


def _say(machine: Machine, reason: str, message: str, now: datetime) -> tuple[Machine, tuple[Notice, ...]]:
    """Put what the deletion waits for into Ready, and an event beside it when that changes."""
    before = machine.condition(READY)
    told = with_condition(machine, MachineCondition(type=READY, status="False", reason=reason, message=message), now)
    if before is not None and before.reason == reason:
        return told, ()
    return told, (
        Notice("Normal", "DisruptionTerminating", message),
        Notice("Normal", "DisruptionTerminating", message, on="Node"),
    )
