"""Registered: the instance's node has joined the cluster and is marked as ours."""

from dataclasses import replace
from datetime import timedelta

from kaito.api.machine import LAUNCHED, REGISTERED, REGISTERED_LABEL, TERMINATION_FINALIZER
from kaito.api.machine import Taint as MachineTaint
from kaito.core.clock import timestamp
from kaito.provisioner.lifecycle.progress import Notice, Progress
from kaito.provisioner.node import UNREGISTERED_TAINT, Node, Taint

TIMEOUT_REASON = "RegistrationTimeout"


def register(at: Progress) -> Progress:
    """Find the node by providerID; give it the Machine's labels, annotations, taints and finalizer."""
    if not at.machine.is_true(LAUNCHED) or at.vanished:
        return at
    if len(at.nodes) > 1:
        names = ", ".join(sorted(node.metadata.name for node in at.nodes))
        return at.condition(
            REGISTERED,
            "False",
            "MultipleNodesFound",
            f"Nodes {names} all have the providerID {at.machine.status.provider_id}. Delete all but the real one.",
        )
    if at.node is None:
        return _wait_for_node(at)
    if at.node.metadata.deletion_timestamp:
        return at
    at = replace(at, node=_marked(at, at.node)).status(node_name=at.node.metadata.name)
    if at.machine.is_true(REGISTERED):
        return at
    message = f"Node {at.machine.status.node_name} has joined."
    at = at.true(REGISTERED).notice(Notice("Normal", "Registered", message))
    return at.notice(Notice("Normal", "Registered", f"Registered as Machine {at.machine.metadata.name}.", on="Node"))


def _wait_for_node(at: Progress) -> Progress:
    """NodeNotFound until the limit, then False; a node that comes later still registers."""
    found = at.machine.condition(REGISTERED)
    if found is not None and found.reason == TIMEOUT_REASON:
        return at
    provider_id = at.machine.status.provider_id
    deadline = max(at.since(LAUNCHED), at.since(REGISTERED)) + timedelta(seconds=at.limits.registration)
    if at.now < deadline:
        message = f"No node with providerID {provider_id} has joined yet; given up at {timestamp(deadline)}."
        return at.condition(REGISTERED, "Unknown", "NodeNotFound", message).again_at(deadline)
    message = (
        f"No node with providerID {provider_id} joined within {at.limits.registration:.0f} s of the launch. "
        f"{at.support} Delete the Machine to try another instance.".replace("  ", " ")
    )
    return at.condition(REGISTERED, "False", TIMEOUT_REASON, message).notice(Notice("Warning", TIMEOUT_REASON, message))


def _marked(at: Progress, node: Node) -> Node:
    """Return the node as it should be. Startup taints come once, before the label that says so."""
    machine = at.machine
    first_time = node.metadata.labels.get(REGISTERED_LABEL) != "true"
    labelled = machine.metadata.labels.items() <= node.metadata.labels.items()
    if not first_time and labelled and TERMINATION_FINALIZER in node.metadata.finalizers:
        return node
    finalizers = node.metadata.finalizers
    if TERMINATION_FINALIZER not in finalizers:
        finalizers = (*finalizers, TERMINATION_FINALIZER)
    node = node.with_metadata(
        labels={**node.metadata.labels, **machine.metadata.labels, REGISTERED_LABEL: "true"},
        annotations={**node.metadata.annotations, **_shared_annotations(machine.metadata.annotations)},
        finalizers=finalizers,
    )
    if not first_time:
        return node
    kept = tuple(taint for taint in node.spec.taints if taint.key != UNREGISTERED_TAINT)
    wanted = tuple(_taint(taint) for taint in (*machine.spec.taints, *machine.spec.startup_taints))
    missing = tuple(taint for taint in wanted if not any(taint.matches(there) for there in kept))
    return node.with_spec(taints=(*kept, *missing))


def _shared_annotations(annotations: dict[str, str]) -> dict[str, str]:
    """Leave out what belongs to the Machine object itself: kubectl's and our own record of what was applied."""
    private = ("kubectl.kubernetes.io/last-applied-configuration", "kaito.sh/applied")
    return {key: value for key, value in annotations.items() if key not in private}


def _taint(taint: MachineTaint) -> Taint:
    return Taint(key=taint.key, effect=taint.effect, value=taint.value or "")
