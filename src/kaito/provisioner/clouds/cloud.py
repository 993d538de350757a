"""What a cloud has to offer, in Karpenter's words, and the errors it may answer with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from kaito.api.machine import Requirement, Taint
from kaito.core.errors import KaitoError

UNAVAILABLE_DURING_LAUNCH: Final = "all requested instance types were unavailable during launch"
"""KAITO gives a claim up when MachineLaunched is False with these words; every terminal launch error holds them."""


@dataclass(frozen=True)
class Claim:
    """What is asked of a cloud: one machine. `name` identifies it; the same name never buys a second one."""

    name: str
    instance_types: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()
    taints: tuple[Taint, ...] = ()
    requests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Instance:
    """A machine that a cloud runs for us. Capacities are Kubernetes quantities."""

    name: str
    provider_id: str
    instance_type: str
    labels: Mapping[str, str]
    capacity: Mapping[str, str]
    allocatable: Mapping[str, str]
    created_at: datetime
    terminating: bool = False


class Cloud(Protocol):
    """A cloud. Every method may raise a `CloudError`; every call may be repeated after a crash."""

    @property
    def name(self) -> str:
        """Name as `--cloud` has it; the `provider` label of metrics."""

    @property
    def deletion_poll_seconds(self) -> float:
        """How often to ask whether a deleted instance is gone, in seconds."""

    @property
    def contact_log_hint(self) -> str:
        """Where a person finds out why a machine does not come up; ends a time-out's message."""

    async def create(self, claim: Claim) -> Instance:
        """Buy the machine, or return the one that this claim already has. It may not have a node yet."""

    async def delete(self, name: str) -> None:
        """Start the deletion; again is harmless. InstanceNotFoundError once it is gone."""

    async def get(self, name: str) -> Instance:
        """Return the instance of the claim of this name. InstanceNotFoundError when there is none."""

    async def list(self) -> list[Instance]:
        """Return the instances that this cloud made for us, none of anyone else."""

    def owns(self, provider_id: str) -> bool:
        """Tell whether a node of this providerID can only be one of ours, even after its instance is gone."""

    def revision(self) -> str:
        """Return a token that changes when a refused launch may succeed now; constant where the cloud cannot tell."""


class CloudError(KaitoError):
    """A cloud refused or failed. The reason becomes the condition's."""


class InsufficientCapacityError(CloudError):
    """The cloud has no such machine free now; it may in a while, so it is tried again."""

    def __init__(self, message: str, *, remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__("InsufficientCapacity", message, remedy=remedy, retry_after=retry_after)


class QuotaExceededError(CloudError):
    """The subscription may not have another one. Terminal: someone has to raise the quota."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__("QuotaExceeded", _terminal(message), terminal=True, remedy=remedy)


class SkuNotAvailableError(CloudError):
    """The cloud does not sell this instance type, or not to this subscription. Terminal."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__("SKUNotAvailable", _terminal(message), terminal=True, remedy=remedy)


class InvalidConfigurationError(CloudError):
    """The claim, or the cloud's own configuration, can never work as it is. Terminal."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__("InvalidConfiguration", _terminal(message), terminal=True, remedy=remedy)


class InstanceNotFoundError(CloudError):
    """There is no instance of this name."""

    def __init__(self, name: str) -> None:
        super().__init__("InstanceNotFound", f"The cloud has no instance {name}.", terminal=True)


class CloudUnavailableError(CloudError):
    """The cloud could not be asked. Tried again."""

    def __init__(self, message: str, *, remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__("CloudUnavailable", message, remedy=remedy, retry_after=retry_after)


def _terminal(message: str) -> str:
    return f"{message.rstrip('.')}: {UNAVAILABLE_DURING_LAUNCH}."
