"""Initialized: the node is ready, free of startup taints, and shows what the claim asked for."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Final

from kaito.api.machine import INITIALIZED, INITIALIZED_LABEL, REGISTERED
from kaito.core.clock import timestamp
from kaito.core.quantity import parse_quantity
from kaito.provisioner.lifecycle.progress import Notice, Progress
from kaito.provisioner.node import UNREGISTERED_TAINT, Node

TIMEOUT_REASON: Final = "InitializationTimeout"
EPHEMERAL_TAINTS: Final = (
    ("node.kubernetes.io/not-ready", "NoSchedule"),
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoSchedule"),
    ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
    (UNREGISTERED_TAINT, "NoExecute"),
)
"""Taints that Kubernetes or Karpenter take away by themselves while a node comes up.

Source: Karpenter, scheduling/taints.
"""
DISK_REQUESTS: Final = ("storage", "ephemeral-storage")
"""Requests that size the disk; nodes do not show them under these names (gpu-provisioner skips `storage` too)."""

PODS_OF: Final = "`kubectl get pods -A --field-selector spec.nodeName={node}` lists what runs there."
HINTS: Final = {
    "NodeNotReady": "Look at the kubelet: `kubectl describe node {node}`.",
    "StartupTaintsExist": "Whatever should remove the taint is not running. {pods}",
    "KnownEphemeralTaintsExist": "Look at the node's conditions: `kubectl describe node {node}`.",
    "ResourceNotRegistered": (
        "The GPU driver or the device plugin is not working: see the logs of nvidia-device-plugin on the node. {pods}"
    ),
}


def initialize(at: Progress) -> Progress:
    """Mark the node initialized once nothing is missing. Once initialized stays initialized: pods live there."""
    node = at.node
    if node is None or node.metadata.deletion_timestamp or at.vanished or not at.machine.is_true(REGISTERED):
        return at
    if at.machine.is_true(INITIALIZED):
        return _labelled(at, node) if node.metadata.labels.get(INITIALIZED_LABEL) != "true" else at
    if missing := _missing(at, node):
        return _wait(at, node, *missing)
    at = _labelled(at, node).status(capacity=node.capacity, allocatable=node.allocatable)
    at = at.true(INITIALIZED).notice(Notice("Normal", "Initialized", f"Node {node.metadata.name} is ready for pods."))
    return at.notice(Notice("Normal", "Initialized", "All that the Machine asked for is there.", on="Node"))


def _labelled(at: Progress, node: Node) -> Progress:
    labels = {**node.metadata.labels, INITIALIZED_LABEL: "true"}
    return replace(at, node=node.with_metadata(labels=labels))


def _missing(at: Progress, node: Node) -> tuple[str, str] | None:
    """Return reason and message of the first thing that is missing."""
    if not node.is_ready:
        said = f": {node.ready.reason} {node.ready.message}".rstrip() if node.ready else ""
        return "NodeNotReady", f"Node {node.metadata.name} is not Ready yet{said}."
    startup: set[tuple[str, str]] = {(taint.key, taint.effect) for taint in at.machine.spec.startup_taints}
    there = [(taint.key, taint.effect) for taint in node.spec.taints]
    if found := next((taint for taint in there if taint in startup), None):
        return "StartupTaintsExist", f"Node {node.metadata.name} still has the startup taint {found[0]}:{found[1]}."
    if found := next((taint for taint in there if taint in EPHEMERAL_TAINTS), None):
        return "KnownEphemeralTaintsExist", f"Node {node.metadata.name} still has the taint {found[0]}:{found[1]}."
    if resource := _unregistered(at.machine.spec.resources.requests, node.allocatable):
        return "ResourceNotRegistered", f"Node {node.metadata.name} does not offer {resource} yet."
    return None


def _unregistered(requests: Mapping[str, str], allocatable: Mapping[str, str]) -> str | None:
    for resource, quantity in sorted(requests.items()):
        if resource not in DISK_REQUESTS and _amount(quantity) > 0 >= _amount(allocatable.get(resource, "0")):
            return resource
    return None


def _amount(quantity: str) -> Fraction:
    """Return the value of a quantity; one that cannot be read is nothing, and is named as what is missing."""
    try:
        return parse_quantity(quantity)
    except ValueError:
        return Fraction(0)


def _wait(at: Progress, node: Node, reason: str, what: str) -> Progress:
    """Unknown with its reason until the limit, then False with what to look at; what comes later still counts."""
    found = at.machine.condition(INITIALIZED)
    hint = HINTS[reason].format(node=node.metadata.name, pods=PODS_OF.format(node=node.metadata.name))
    deadline = at.since(REGISTERED) + timedelta(seconds=at.limits.initialization)
    if at.now < deadline:
        message = f"{what} Given up at {timestamp(deadline)}."
        return at.condition(INITIALIZED, "Unknown", reason, message).again_at(deadline)
    message = f"Not initialized within {at.limits.initialization:.0f} s of joining. {what} {hint}"
    at = at.condition(INITIALIZED, "False", TIMEOUT_REASON, message)
    if found is not None and found.reason == TIMEOUT_REASON:
        return at
    return at.notice(Notice("Warning", TIMEOUT_REASON, message))
