"""The smallest merge patch between what is and what should be; nothing when they are the same."""

from typing import Any

import msgspec

from kaito.api.machine import Machine
from kaito.core.objects import Object
from kaito.provisioner.node import Node


def merge_patch(old: Object, new: Object) -> Object:
    """Return the RFC 7386 patch from `old` to `new`: removed fields are null, lists are replaced whole."""
    patch: Object = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := merge_patch(before, value):
                patch[name] = inner
        elif name not in old or before != value:
            patch[name] = value
    return patch


def machine_patch(old: Machine, new: Machine) -> Object:
    """Return the patch of labels and finalizers, bound to this very Machine; empty when nothing changes."""
    parts = {"labels", "finalizers"}
    patch = merge_patch(
        old.metadata.model_dump(by_alias=True, include=parts), new.metadata.model_dump(by_alias=True, include=parts)
    )
    return _bound(patch, old.metadata.uid, old.metadata.resource_version if "finalizers" in patch else "")


def status_patch(old: Machine, new: Machine) -> Object:
    """Return the patch of the status, bound to this very Machine; empty when nothing changes."""
    patch = merge_patch(old.status.wire(), new.status.wire())
    return {"metadata": {"uid": old.metadata.uid}, "status": patch} if patch else {}


def node_patch(old: Node, new: Node) -> Object:
    """Return the patch of a Node, bound to this very one, and to this version of it where a list is replaced."""
    metadata = merge_patch(_metadata(old), _metadata(new))
    spec = merge_patch(_spec(old), _spec(new))
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
