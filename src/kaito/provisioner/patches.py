"""The smallest merge patches of Machines and Nodes; nothing when they are as they should be."""

from typing import Any

import msgspec

from kaito.api.machine import Machine
from kaito.core import Object, merge_from
from kaito.provisioner.node import Node


def machine_patch(old: Machine, new: Machine) -> Object:
    """Return the patch of labels and finalizers, bound to this very Machine; empty when nothing changes."""
    parts = {"labels", "finalizers"}
    patch = merge_from(
        old.metadata.model_dump(by_alias=True, include=parts), new.metadata.model_dump(by_alias=True, include=parts)
    )
    return _bound(patch, old.metadata.uid, old.metadata.resource_version if "finalizers" in patch else "")


def status_patch(old: Machine, new: Machine) -> Object:
    """Return the patch of the status, bound to this very Machine; empty when nothing changes."""
    patch = merge_from(old.status.wire(), new.status.wire())
    return {"metadata": {"uid": old.metadata.uid}, "status": patch} if patch else {}


def node_patch(old: Node, new: Node) -> Object:
    """Return the patch of a Node, bound to this very one, and to this version of it where a list is replaced."""
    metadata = merge_from(_metadata(old), _metadata(new))
    spec = merge_from(_spec(old), _spec(new))
    lists = "finalizers" in metadata or "taints" in spec
    if not metadata and not spec:
        return {}
    patch = _bound(metadata, old.metadata.uid, old.metadata.resource_version if lists else "", always=True)
    return {**patch, "spec": spec} if spec else patch


def _bound(metadata: Object, uid: str, resource_version: str, *, always: bool = False) -> Object:
    if not metadata and not always:
        return {}
    version = {"resourceVersion": resource_version} if resource_version else {}
    return {"metadata": {"uid": uid, **version, **metadata}}


def _metadata(node: Node) -> dict[str, Any]:
    return {
        "labels": node.metadata.labels,
        "annotations": node.metadata.annotations,
        "finalizers": list(node.metadata.finalizers),
    }


def _spec(node: Node) -> dict[str, Any]:
    return {"taints": msgspec.to_builtins(node.spec.taints), "unschedulable": node.spec.unschedulable}
