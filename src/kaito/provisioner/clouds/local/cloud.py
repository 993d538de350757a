"""The local cloud: its machines are processes of this computer, its limits are lines of `cloud.yaml`."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from kaito.api.machine import (
    CAPACITY_TYPE_LABEL,
    INSTANCE_TYPE_LABEL,
    MACHINE_TYPE_LABEL,
    ZONE_LABEL,
    Requirement,
)
from kaito.core.clock import Clock, parse_timestamp, timestamp
from kaito.presets import Sku, load_skus
from kaito.provisioner.clouds.capacity import capacity, find_sku
from kaito.provisioner.clouds.cloud import (
    Claim,
    CloudError,
    CloudUnavailableError,
    Instance,
    InstanceNotFoundError,
    InsufficientCapacityError,
    InvalidConfigurationError,
    QuotaExceededError,
    SkuNotAvailableError,
)
from kaito.provisioner.clouds.local.instance import PROVIDER_ID_PREFIX, InstanceFiles, LocalInstance
from kaito.provisioner.clouds.local.settings import LocalCloudSettings, read_settings, settings_path

ZONE: Final = "local-1"
REGION: Final = "local"
CHECKED_LABELS: Final = ("kubernetes.io/os", "kubernetes.io/arch", ZONE_LABEL, MACHINE_TYPE_LABEL)
"""Labels whose value this cloud decides: a requirement on one of them that it cannot meet is an error."""
RETRY_TERMINATING_SECONDS: Final = 1.0


class LocalCloud:
    """Instances as files in a folder; the machine room of `kaito up` boots a `kaito-node` for each."""

    name = "local"
    deletion_poll_seconds = 0.2

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._instances = InstanceFiles(directory)
        load_skus()  # reading the catalogue takes longer than a launch: not while a claim waits

    @property
    def contact_log_hint(self) -> str:
        """Where the machine room and the nodes write why they do not come up."""
        return (
            f"See the logs of `kaito up` beside {self._directory}, and whether the machine room runs: `kaito status`."
        )

    def owns(self, provider_id: str) -> bool:
        """Every node of this scheme was booted from one of our files."""
        return provider_id.startswith(PROVIDER_ID_PREFIX)

    def revision(self) -> str:
        """Change with the settings and with the set of instances, which both may let a refused launch through."""
        with self._reading():
            try:
                found = settings_path(self._directory).stat()
                settings = f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
            except FileNotFoundError:
                settings = "none"
            return f"{settings}:{','.join(self._instances.names())}"

    async def create(self, claim: Claim) -> Instance:
        """Write the instance's file within the limits of `cloud.yaml`; an existing one of this name is adopted."""
        with self._locked():
            existing = self._existing(claim.name)
        if existing is None:
            await self._clock.sleep(self._settings().launch_seconds)
            existing = self._launch(claim)
        return _instance(existing)

    async def delete(self, name: str) -> None:
        """Mark the instance terminating; the machine room stops what runs on it and removes the file."""
        with self._locked():
            if not self._instances.mark_terminating(name):
                raise InstanceNotFoundError(name)

    async def get(self, name: str) -> Instance:
        """Read the instance's file."""
        with self._reading():
            found = self._instances.read(name)
        if found is None:
            raise InstanceNotFoundError(name)
        return _instance(found)

    async def list(self) -> list[Instance]:
        """Read all files."""
        with self._reading():
            return [_instance(found) for found in self._instances.all()]

    def _launch(self, claim: Claim) -> LocalInstance:
        """Check the limits and write the file under one lock: of two claims on the last machine, one gets it."""
        with self._locked():
            settings = self._settings()
            if (existing := self._existing(claim.name)) is not None:
                return existing
            refusals: list[CloudError] = []
            for instance_type in claim.instance_types:
                try:
                    found = self._offered(instance_type, settings)
                except CloudError as refusal:
                    refusals.append(refusal)
                    continue
                return self._write(claim, instance_type, found)
            raise _worst_last(claim, refusals)

    def _existing(self, name: str) -> LocalInstance | None:
        found = self._instances.read(name)
        if found is not None and found.state == "terminating":
            raise CloudUnavailableError(
                f"An earlier instance {name} is still terminating; this claim is tried again when it is gone.",
                retry_after=RETRY_TERMINATING_SECONDS,
            )
        return found

    def _offered(self, instance_type: str, settings: LocalCloudSettings) -> Sku:
        """Return the instance type if it may be launched now, or raise why not."""
        found = find_sku(instance_type)
        if _named(instance_type, settings.unavailable):
            raise SkuNotAvailableError(
                f"{instance_type} is not sold to this subscription (`unavailable` in {settings_path(self._directory)})",
                remedy="Choose another instance type, or run `kaito cloud reset`.",
            )
        limit = settings.quota_of(instance_type)
        used = sum(one.instance_type.casefold() == instance_type.casefold() for one in self._instances.all())
        if limit is not None and used >= limit:
            raise QuotaExceededError(
                f"The quota for {instance_type} is {limit}, {used} in use, 1 more asked for",
                remedy=f"Raise it with `kaito cloud quota {instance_type} {used + 1}`.",
            )
        if _named(instance_type, settings.out_of_capacity):
            raise InsufficientCapacityError(
                f"The local cloud has no {instance_type} free now.",
                remedy="Wait, choose another instance type, or run `kaito cloud reset`.",
            )
        return found

    def _write(self, claim: Claim, instance_type: str, sku: Sku) -> LocalInstance:
        offered = {
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            INSTANCE_TYPE_LABEL: instance_type,
            ZONE_LABEL: ZONE,
            "topology.kubernetes.io/region": REGION,
            CAPACITY_TYPE_LABEL: "on-demand",
            MACHINE_TYPE_LABEL: "gpu",
        }
        if unmet := _unmet(claim.requirements, offered):
            raise InvalidConfigurationError(
                f"The claim requires {unmet.key} {unmet.operator} {list(unmet.values)}, "
                f"and {instance_type} of the local cloud has {offered[unmet.key]}",
                remedy="Drop the requirement, or choose another instance type.",
            )
        instance = LocalInstance(
            name=claim.name,
            provider_id=PROVIDER_ID_PREFIX + claim.name,
            instance_type=instance_type,
            zone=ZONE,
            labels={**offered, **_single_values(claim.requirements), **claim.labels},
            taints=claim.taints,
            capacity=capacity(sku, claim.requests.get("storage")),
            created_at=timestamp(self._clock.now()),
        )
        self._instances.create(instance)
        return instance

    def _settings(self) -> LocalCloudSettings:
        with self._reading():
            return read_settings(self._directory)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes of this cloud out; held for one look and one write, never across an await."""
        with self._reading():
            self._directory.mkdir(parents=True, exist_ok=True)
            with (self._directory / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what the file system may raise into a CloudError."""
        try:
            yield
        except (OSError, ValueError) as error:
            raise CloudUnavailableError(
                f"The local cloud's folder {self._directory} cannot be used: {error}",
                remedy="Give this user the folder, or start again with another `--cloud-dir`.",
            ) from error


def _worst_last(claim: Claim, refusals: list[CloudError]) -> CloudError:
    """Return the refusal that a claim on several instance types ends with: one that may pass beats a final one."""
    passing = [refusal for refusal in refusals if not refusal.terminal]
    if found := passing or refusals:
        return found[0]
    return InvalidConfigurationError(
        f"Machine {claim.name} requires no instance type",
        remedy=f"Add a requirement {INSTANCE_TYPE_LABEL} In [one of the catalogue's].",
    )


def _instance(found: LocalInstance) -> Instance:
    return Instance(
        name=found.name,
        provider_id=found.provider_id,
        instance_type=found.instance_type,
        labels=found.labels,
        capacity=found.capacity,
        allocatable=found.capacity,
        created_at=_time(found),
        terminating=found.state == "terminating",
    )


def _time(found: LocalInstance) -> datetime:
    return parse_timestamp(found.created_at)


def _named(instance_type: str, names: tuple[str, ...]) -> bool:
    return instance_type.casefold() in {name.casefold() for name in names}


def _single_values(requirements: tuple[Requirement, ...]) -> dict[str, str]:
    return {one.key: one.values[0] for one in requirements if one.operator == "In" and len(one.values) == 1}


def _unmet(requirements: tuple[Requirement, ...], offered: dict[str, str]) -> Requirement | None:
    for one in requirements:
        if one.key not in CHECKED_LABELS:
            continue
        inside = offered[one.key] in one.values
        if (one.operator == "In" and not inside) or (one.operator == "NotIn" and inside):
            return one
    return None
