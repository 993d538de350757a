"""Metrics under Karpenter's names, so that its dashboards work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram

from kaito.api.machine import INITIALIZED, LAUNCHED, PROVISIONER_NAME_LABEL, REGISTERED, TERMINATION_FINALIZER, Machine
from kaito.core.client import require_permission
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.provisioner.clouds import Claim, Cloud, Instance

CONTROLLER = "machine"
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class ProvisionerMetrics:
    """Counters of Machines by step, and of calls to the cloud."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._steps = {
            step: Counter(f"karpenter_machines_{step}", f"Machines {step}.", ["provisioner"], registry=registry)
            for step in ("created", "launched", "registered", "initialized", "terminated")
        }
        self._disrupted = Counter(
            "karpenter_machines_disrupted",
            "Machines given up, by reason.",
            ["provisioner", "reason"],
            registry=registry,
        )
        self.duration = Histogram(
            "karpenter_cloudprovider_duration_seconds",
            "Duration of calls to the cloud.",
            ["controller", "method", "provider"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.errors = Counter(
            "karpenter_cloudprovider_errors",
            "Calls to the cloud that failed, by reason.",
            ["controller", "method", "provider", "error"],
            registry=registry,
        )

    def wrote(self, old: Machine, new: Machine) -> None:
        """Count what changed between two versions of a Machine that were written one after the other."""
        had = TERMINATION_FINALIZER in old.metadata.finalizers
        has = TERMINATION_FINALIZER in new.metadata.finalizers
        if has and not had:
            self._count("created", new)
        if had and not has:
            self._count("terminated", new)
        for condition_type in (LAUNCHED, REGISTERED, INITIALIZED):
            if new.is_true(condition_type) and not old.is_true(condition_type):
                self._count(condition_type.removeprefix("Machine").lower(), new)

    def gave_up(self, machine: Machine, reason: str) -> None:
        """Count a Machine that was deleted by us."""
        self._disrupted.labels(_provisioner(machine), reason).inc()

    def _count(self, step: str, machine: Machine) -> None:
        self._steps[step].labels(_provisioner(machine)).inc()


class MeteredCloud:
    """A cloud whose calls are timed and whose errors are counted. A missing instance is an answer, not an error.

    Only a leader may change what is bought.
    """

    def __init__(self, cloud: Cloud, metrics: ProvisionerMetrics, clock: Clock) -> None:
        self._cloud = cloud
        self._metrics = metrics
        self._clock = clock
        self.name = cloud.name
        self.deletion_poll_seconds = cloud.deletion_poll_seconds
        self.contact_log_hint = cloud.contact_log_hint

    def owns(self, provider_id: str) -> bool:
        """Ask the cloud; measured calls are those that may go out."""
        return self._cloud.owns(provider_id)

    def revision(self) -> str:
        """Return the cloud's own."""
        return self._cloud.revision()

    async def create(self, claim: Claim) -> Instance:
        """Create, measured. Raises KaitoError LeadershipLost where another replica leads by now."""
        require_permission(f"the launch of {claim.name}")
        async with self._measured("Create"):
            return await self._cloud.create(claim)

    async def delete(self, name: str) -> None:
        """Delete, measured. Raises KaitoError LeadershipLost where another replica leads by now."""
        require_permission(f"the deletion of {name}")
        async with self._measured("Delete"):
            await self._cloud.delete(name)

    async def get(self, name: str) -> Instance:
        """Get, measured."""
        async with self._measured("Get"):
            return await self._cloud.get(name)

    async def list(self) -> list[Instance]:
        """List, measured."""
        async with self._measured("List"):
            return await self._cloud.list()

    @asynccontextmanager
    async def _measured(self, method: str) -> AsyncIterator[None]:
        start = self._clock.monotonic()
        try:
            yield
        except KaitoError as error:
            if error.reason != "InstanceNotFound":
                self._metrics.errors.labels(CONTROLLER, method, self.name, error.reason).inc()
            raise
        finally:
            self._metrics.duration.labels(CONTROLLER, method, self.name).observe(self._clock.monotonic() - start)


def _provisioner(machine: Machine) -> str:
    return machine.metadata.labels.get(PROVISIONER_NAME_LABEL, "")
