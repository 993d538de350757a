"""Leaks: instances without a Machine, Machines without an instance, and Nodes without either."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.api.machine import MACHINE, REGISTERED_LABEL, TERMINATION_FINALIZER, Machine
from kaito.core.cache import Cache
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.provisioner.act import Writer
from kaito.provisioner.clouds import Cloud, Instance, InstanceNotFoundError
from kaito.provisioner.lifecycle import OWNED_LABELS, released
from kaito.provisioner.limits import Limits
from kaito.provisioner.node import NODE, Node

log = get_logger()


@dataclass(frozen=True)
class Garbage:
    """`instances` nobody claims, `machines` whose instance is not listed, `nodes` of ours that belong to neither."""

    instances: tuple[Instance, ...]
    machines: tuple[str, ...]
    nodes: tuple[Node, ...]


def find_garbage(
    instances: Iterable[Instance],
    machines: Iterable[Machine],
    nodes: Iterable[Node],
    owns: Callable[[str], bool],
    limits: Limits,
    now: datetime,
) -> Garbage:
    """Compare what the cloud has with what the cluster has."""
    instances, machines = tuple(instances), tuple(machines)
    claimed = {machine.metadata.name for machine in machines}
    there = {instance.name for instance in instances}
    known = {instance.provider_id for instance in instances} | {machine.status.provider_id for machine in machines}
    young = now - timedelta(seconds=limits.orphan_age)
    return Garbage(
        tuple(one for one in instances if one.name not in claimed and not one.terminating and one.created_at <= young),
        tuple(one.metadata.name for one in machines if one.status.provider_id and one.metadata.name not in there),
        tuple(
            node
            for node in nodes
            if node.spec.provider_id not in known and _is_ours(node) and owns(node.spec.provider_id)
        ),
    )


def _is_ours(node: Node) -> bool:
    """Tell whether a Machine took the node over, or was about to: its labels come with the instance."""
    labels = node.metadata.labels
    registered = TERMINATION_FINALIZER in node.metadata.finalizers and labels.get(REGISTERED_LABEL) == "true"
    return registered or any(label in labels for label in OWNED_LABELS)


class GarbageCollector:
    """Looks for leaks at the start and every two minutes. `suspect` is told the names of Machines to look at."""

    def __init__(self, cache: Cache, cloud: Cloud, writer: Writer, clock: Clock, limits: Limits) -> None:
        self._cache = cache
        self._cloud = cloud
        self._writer = writer
        self._clock = clock
        self._limits = limits

    async def run(self, suspect: Callable[[str], None]) -> None:
        """Collect until cancelled; what fails is tried again the next time."""
        while True:
            try:
                await self.collect(suspect)
            except KaitoError as error:
                log.warning("garbage collection failed", reason=error.reason, error=error.message)
            await self._clock.sleep(self._limits.garbage_collection)

    async def collect(self, suspect: Callable[[str], None]) -> None:
        """Look once."""
        instances = await self._cloud.list()
        found = find_garbage(
            instances,
            self._cache.list(MACHINE),
            self._cache.list(NODE),
            self._cloud.owns,
            self._limits,
            self._clock.now(),
        )
        for instance in found.instances:
            log.warning(
                "deleting an instance without a Machine", instance=instance.name, provider_id=instance.provider_id
            )
            await self._delete(instance)
        for name in found.machines:
            suspect(name)
        for node in found.nodes:
            log.warning("removing a Node without a Machine", node=node.metadata.name)
            await self._writer.delete_node(node)
            await self._writer.node(node, released(node))

    async def _delete(self, instance: Instance) -> None:
        try:
            await self._cloud.delete(instance.name)
        except InstanceNotFoundError:
            log.info("instance is gone already", instance=instance.name)
