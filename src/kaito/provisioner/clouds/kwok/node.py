"""Instances of this cloud are Node objects, and nothing else: what one says, and what one is read as. Pure."""

from datetime import datetime
from typing import Any, Final

from kaito.api.machine import CAPACITY_TYPE_LABEL, INSTANCE_TYPE_LABEL, MACHINE_TYPE_LABEL, ZONE_LABEL
from kaito.core.clock import parse_timestamp, timestamp
from kaito.core.objects import Object
from kaito.provisioner.clouds.capacity import capacity, find_sku
from kaito.provisioner.clouds.cloud import Claim, Instance

PROVIDER_ID_PREFIX: Final = "kwok:///"
CLOUD_LABEL: Final = "kaito.sh/cloud"
CLOUD: Final = "kwok"
ZONE: Final = "kwok-1"
KWOK_ANNOTATION: Final = "kwok.x-k8s.io/node"
"""Where a KWOK controller is installed, it lets the pods of such nodes seem to run. Source: KWOK's user guide."""


def node_of(claim: Claim, instance_type: str, now: datetime) -> Object:
    """Return the Node of a claim, Ready from the start. SkuNotAvailableError for a type outside of the catalogue."""
    offered = capacity(find_sku(instance_type), claim.requests.get("storage"))
    labels = {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": claim.name,
        "topology.kubernetes.io/region": CLOUD,
        ZONE_LABEL: ZONE,
        INSTANCE_TYPE_LABEL: instance_type,
        CAPACITY_TYPE_LABEL: "on-demand",
        MACHINE_TYPE_LABEL: "gpu",
        **claim.labels,
        CLOUD_LABEL: CLOUD,
    }
    taints = [taint.model_dump(by_alias=True, exclude_none=True) for taint in claim.taints]
    metadata = {"name": claim.name, "labels": labels, "annotations": {KWOK_ANNOTATION: "fake"}}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata,
        "spec": {"providerID": PROVIDER_ID_PREFIX + claim.name, "taints": taints},
        "status": {"capacity": offered, "allocatable": offered, **heartbeat(now)},
    }


def heartbeat(now: datetime, since: str = "") -> Object:
    """Return the status by which the control plane knows that a node lives; Ready `since` (now by default)."""
    at = timestamp(now)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "NoMachine",
        "message": "a node without a machine: pods stay Pending here",
        "lastHeartbeatTime": at,
        "lastTransitionTime": since or at,
    }
    return {"conditions": [ready]}


def instance_of(node: Object) -> Instance:
    """Read a Node as the instance that it stands for."""
    metadata: dict[str, Any] = node["metadata"]
    status = node.get("status") or {}
    return Instance(
        name=metadata["name"],
        provider_id=node["spec"]["providerID"],
        instance_type=metadata["labels"][INSTANCE_TYPE_LABEL],
        labels=metadata["labels"],
        capacity=status.get("capacity") or {},
        allocatable=status.get("allocatable") or {},
        created_at=parse_timestamp(metadata["creationTimestamp"]),
    )


def is_going(node: Object) -> bool:
    """Say whether the node is being deleted: its instance counts as gone, as nothing has to be switched off."""
    return bool(node["metadata"].get("deletionTimestamp"))
