"""Clouds that machines can come from, and how they are found by name."""

from kaito.provisioner.clouds.cloud import (
    UNAVAILABLE_DURING_LAUNCH,
    Claim,
    Cloud,
    CloudError,
    CloudUnavailableError,
    Instance,
    InstanceNotFoundError,
    InsufficientCapacityError,
    InvalidConfigurationError,
    QuotaExceededError,
    SkuNotAvailableError,
)

__all__ = [
    "UNAVAILABLE_DURING_LAUNCH",
    "Claim",
    "Cloud",
    "CloudError",
    "CloudUnavailableError",
    "Instance",
    "InstanceNotFoundError",
    "InsufficientCapacityError",
    "InvalidConfigurationError",
    "QuotaExceededError",
    "SkuNotAvailableError",
]
