"""Ours: which Machines this provisioner works on. Others, of Karpenter or of another provisioner, are left alone."""

from collections.abc import Callable
from typing import Final

from kaito.api.machine import MACHINE_TYPE_LABEL, Machine

OWNED_LABELS: Final = ("kaito.sh/workspace", "kaito.sh/ragengine", MACHINE_TYPE_LABEL)
"""One of these on a Machine asks for this provisioner. Source: gpu-provisioner, and a label for everybody else."""


def is_ours(machine: Machine, owns: Callable[[str], bool]) -> bool:
    """Tell whether a Machine is to be worked on: by its labels, or because an instance was bought for it already."""
    provider_id = machine.status.provider_id
    return any(label in machine.metadata.labels for label in OWNED_LABELS) or bool(provider_id and owns(provider_id))
