"""What an instance type offers where no cloud tells: the numbers of the SKU catalogue as node capacity."""

from typing import Final

from kaito.core.errors import KaitoError
from kaito.presets import Sku, load_skus
from kaito.provisioner.clouds.cloud import SkuNotAvailableError

PODS: Final = "110"
"""Kubernetes' own default of pods per node."""
DISK: Final = "128Gi"
"""Operating system disk of a claim that requests no storage; what AKS gives its nodes."""


def find_sku(instance_type: str) -> Sku:
    """Return the catalogue's entry, in any case of the name. SkuNotAvailableError names the closest ones."""
    try:
        return load_skus().find(instance_type)
    except KaitoError as error:
        raise SkuNotAvailableError(
            f"{instance_type} is not an instance type of this cloud's catalogue",
            remedy=f"{error.remedy} Ask for one of them.",
        ) from error


def capacity(sku: Sku, storage: str | None) -> dict[str, str]:
    """Return a node's capacity as Kubernetes quantities; `storage` is the disk that the claim asks for, if any."""
    return {
        "cpu": str(sku.vcpus),
        "memory": f"{sku.memory}Gi",
        "ephemeral-storage": storage if storage and storage.strip("0") else DISK,
        "pods": PODS,
        "nvidia.com/gpu": str(sku.gpus),
    }
