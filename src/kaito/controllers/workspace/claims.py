"""Node claims: how the Workspace asks for a node, and how it reads what became of it.

The dialect here is `karpenter.sh/v1alpha5` Machine; the phases know only `Claim`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from kaito.api import MACHINE_RESOURCE, WORKSPACE_LABEL, WORKSPACE_NAMESPACE_LABEL, Machine, Workspace
from kaito.api.machine import (
    INITIALIZED,
    INSTANCE_TYPE_LABEL,
    LAUNCHED,
    MACHINE_TYPE_LABEL,
    PROVISIONER_NAME_LABEL,
    READY,
    REGISTERED,
)
from kaito.core.objects import Object
from kaito.presets import Plan

WORKSPACE_UID_ANNOTATION: Final = "kaito.sh/workspace-uid"
ORDINAL_ANNOTATION: Final = "kaito.sh/ordinal"

TERMINAL_REASONS: Final = frozenset({"QuotaExceeded", "SKUNotAvailable", "InvalidConfiguration"})
"""Reasons of a claim that did not launch which waiting does not cure."""

RESERVED_LABELS: Final = frozenset({WORKSPACE_LABEL, WORKSPACE_NAMESPACE_LABEL})
"""Labels that say whose a node is; a user's selector cannot set them."""


@dataclass(frozen=True)
class Hindrance:
    """The first condition of a claim that is not True yet."""

    condition: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class Claim:
    """One claim on one node. `workspace_uid` tells whose it is; names repeat, uids do not.

    `marked` says that the object bears the labels and annotations by which it is found.
    """

    name: str
    uid: str
    workspace_uid: str
    ordinal: int
    marked: bool = True
    deleting: bool = False
    launched: bool = False
    ready: bool = False
    node_name: str = ""
    hindrance: Hindrance | None = None

    @property
    def failed(self) -> bool:
        """Whether it did not launch, for a reason that waiting does not cure."""
        hindrance = self.hindrance
        return (
            hindrance is not None
            and hindrance.condition == LAUNCHED
            and hindrance.status == "False"
            and hindrance.reason in TERMINAL_REASONS
        )


def claim_name(workspace_uid: str, ordinal: int) -> str:
    """Return the one name that a claim for this node can have, so that asking twice is a conflict, not a second VM.

    A claim that replaces one that went has the name of that one: it cannot exist before the other is gone.
    """
    digest = hashlib.sha256(f"{workspace_uid}/{ordinal}/0".encode()).hexdigest()
    return f"ws{digest[:9]}"


def claim_labels(workspace: Workspace) -> dict[str, str]:
    """Return the labels of a Workspace's claims, which its nodes get too."""
    selected = workspace.resource.label_selector.labels
    chosen = {key: value for key, value in selected.items() if key not in RESERVED_LABELS}
    return chosen | owner_labels(workspace.metadata.namespace, workspace.metadata.name)


def owner_labels(namespace: str, name: str) -> dict[str, str]:
    """Return the labels by which claims and nodes belong to one Workspace."""
    return {WORKSPACE_LABEL: name, WORKSPACE_NAMESPACE_LABEL: namespace}


def machine_manifest(workspace: Workspace, plan: Plan, ordinal: int) -> Object:
    """Return the Machine for node `ordinal`. Shape: KAITO v0.1's; resources are what the node must show when ready."""
    name = claim_name(workspace.metadata.uid, ordinal)
    requirements = {
        INSTANCE_TYPE_LABEL: plan.sku.name,
        PROVISIONER_NAME_LABEL: "default",
        MACHINE_TYPE_LABEL: "gpu",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
    }
    return {
        "apiVersion": MACHINE_RESOURCE.api_version,
        "kind": MACHINE_RESOURCE.kind,
        "metadata": {
            "name": name,
            "labels": _labels(workspace),
            "annotations": _annotations(workspace, ordinal),
        },
        "spec": {
            "machineTemplateRef": {"name": name},
            "requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in requirements.items()],
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            "resources": {"requests": {"storage": plan.preset.disk, "nvidia.com/gpu": str(plan.sku.gpus)}},
        },
    }


def _labels(workspace: Workspace) -> dict[str, str]:
    return {PROVISIONER_NAME_LABEL: "default", **claim_labels(workspace)}


def _annotations(workspace: Workspace, ordinal: int) -> dict[str, str]:
    return {WORKSPACE_UID_ANNOTATION: workspace.metadata.uid, ORDINAL_ANNOTATION: str(ordinal)}


def marks(workspace: Workspace, claim: Claim) -> Object:
    """Return the patch that gives a claim back the labels and annotations that it was made with."""
    annotations = _annotations(workspace, claim.ordinal)
    return {"metadata": {"uid": claim.uid, "labels": _labels(workspace), "annotations": annotations}}


def read_named(machine: Machine, workspace: Workspace, ordinal: int) -> Claim | None:
    """Return the Machine of a claim's name as that claim, whatever became of its labels; None if it is another's."""
    metadata = machine.metadata
    if metadata.annotations.get(WORKSPACE_UID_ANNOTATION, workspace.metadata.uid) != workspace.metadata.uid:
        return None
    marked = (
        _labels(workspace).items() <= metadata.labels.items()
        and _annotations(workspace, ordinal).items() <= metadata.annotations.items()
    )
    claim = read_machine(machine)
    return replace(claim, workspace_uid=workspace.metadata.uid, ordinal=ordinal, marked=marked)


def read_machine(machine: Machine) -> Claim:
    """Return what a Machine says as a claim."""
    metadata = machine.metadata
    return Claim(
        name=metadata.name,
        uid=metadata.uid,
        workspace_uid=metadata.annotations.get(WORKSPACE_UID_ANNOTATION, ""),
        ordinal=_ordinal(metadata.annotations),
        deleting=metadata.deletion_timestamp is not None,
        launched=machine.is_true(LAUNCHED),
        ready=machine.is_true(READY),
        node_name=machine.status.node_name or "",
        hindrance=_hindrance(machine),
    )


def _ordinal(annotations: Mapping[str, str]) -> int:
    text = annotations.get(ORDINAL_ANNOTATION, "")
    return int(text) if text.isdigit() else -1


def _hindrance(machine: Machine) -> Hindrance | None:
    for condition_type in (LAUNCHED, REGISTERED, INITIALIZED, READY):
        condition = machine.condition(condition_type)
        if condition is not None and condition.status != "True":
            return Hindrance(condition_type, condition.status, condition.reason or "", condition.message or "")
    return None
