"""MachineReconciler: gathers what is known of a Machine, lets the life cycle decide, and has it written."""

from dataclasses import replace

from kaito.api.machine import (
    INSTANCE_TYPE_LABEL,
    LAUNCHED,
    MACHINE,
    REGISTERED,
    TERMINATION_FINALIZER,
    Machine,
)
from kaito.core import DONE, Cache, Client, Result
from kaito.core.clock import Clock, deadline
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.core.objects import Key
from kaito.provisioner.act import Recorder, Writer
from kaito.provisioner.clouds import Cloud, CloudUnavailableError, Instance, InstanceNotFoundError
from kaito.provisioner.lifecycle import (
    VANISHED_REASON,
    Progress,
    Refusal,
    Remains,
    claim_of,
    decide,
    decide_acceptance,
    is_ours,
    terminate,
)
from kaito.provisioner.limits import Limits
from kaito.provisioner.metrics import ProvisionerMetrics
from kaito.provisioner.node import NODE, POD, Node, Pod
from kaito.provisioner.tries import Tries

log = get_logger()

PROVIDER_ID_INDEX = "providerID"
"""Index of Nodes by spec.providerID and of Machines by status.providerID."""


class MachineReconciler:
    """Turns Machines into nodes. Safe to run again at any time, and to be cut off anywhere."""

    def __init__(
        self,
        cache: Cache,
        client: Client,
        cloud: Cloud,
        *,
        clock: Clock,
        events: Recorder,
        metrics: ProvisionerMetrics,
        limits: Limits | None = None,
    ) -> None:
        self._cache = cache
        self._client = client
        self._cloud = cloud
        self._clock = clock
        self._limits = limits or Limits()
        self._writer = Writer(client, events, metrics)
        self._suspects: set[str] = set()
        self.tries = Tries(self._limits)

    def suspect(self, name: str) -> None:
        """Ask the cloud about this Machine's instance at the next reconcile: it was missing from a list."""
        self._suspects.add(name)

    async def reconcile(self, key: Key) -> Result:
        """Take a Machine as far as it goes now; say when to look again if nothing else would."""
        machine = self._cache.get(MACHINE, key)
        if machine is not None and not is_ours(machine, self._cloud.owns):
            return DONE
        if machine is None or machine.metadata.deletion_timestamp:
            self.tries.forget(key.name)
            self._suspects.discard(key.name)
            return DONE if machine is None else await self._terminate(machine)
        machine, answer = await self._launch(machine)
        provider_id = answer.provider_id if isinstance(answer, Instance) else machine.status.provider_id
        nodes = self._nodes(provider_id)
        start = Progress.of(self._clock.now(), self._limits, machine, nodes, support=self._cloud.contact_log_hint)
        start = replace(start, launch=answer, vanished=await self._has_vanished(start))
        decided = decide(start)
        await self._writer.progress(start, decided)
        return Result(requeue_after=decided.requeue_after)

    async def _launch(self, machine: Machine) -> tuple[Machine, Instance | Refusal | None]:
        """Ask the cloud for the instance, unless there is one or an earlier refusal stands.

        A Machine that lost what was written down of its launch gets the same instance again: clouds go by its name.
        """
        launched = machine.condition(LAUNCHED)
        vanished = launched is not None and launched.reason == VANISHED_REASON
        if vanished or (machine.is_true(LAUNCHED) and machine.status.provider_id):
            return machine, None
        accepted = decide_acceptance(Progress.of(self._clock.now(), self._limits, machine, ()))
        if machine.condition(LAUNCHED) is None or TERMINATION_FINALIZER not in machine.metadata.finalizers:
            machine = await self._writer.machine(machine, accepted.machine)
        revision = ""
        try:
            revision = self._cloud.revision()
            if standing := self.tries.standing(machine, revision, self._clock.now()):
                return machine, standing
            instance = await self._create(machine)
        except KaitoError as error:
            return machine, self.tries.refused(machine, revision, error, self._clock.now())
        self.tries.forget(machine.metadata.name)
        return machine, instance

    async def _create(self, machine: Machine) -> Instance:
        try:
            async with deadline(self._clock, self._limits.launch):
                return await self._cloud.create(claim_of(machine, INSTANCE_TYPE_LABEL))
        except TimeoutError as error:
            raise CloudUnavailableError(f"The cloud gave no answer within {self._limits.launch:.0f} s.") from error

    async def _has_vanished(self, at: Progress) -> bool:
        """Ask the cloud only where there is a reason to doubt; a Ready node is proof of its instance."""
        name, machine = at.machine.metadata.name, at.machine
        launched = machine.condition(LAUNCHED)
        if launched is not None and launched.reason == VANISHED_REASON:
            return True
        lost = machine.is_true(REGISTERED) and len(at.nodes) <= 1 and (at.node is None or not at.node.is_ready)
        suspected = name in self._suspects and not any(node.is_ready for node in at.nodes)
        self._suspects.discard(name)
        if not machine.is_true(LAUNCHED) or not (lost or suspected):
            return False
        return await self._instance(name) is None

    async def _terminate(self, machine: Machine) -> Result:
        if TERMINATION_FINALIZER not in machine.metadata.finalizers:
            return DONE
        name = machine.metadata.name
        instance = await self._instance(name)
        nodes = self._nodes(machine.status.provider_id or (instance.provider_id if instance else None))
        pods = await self._pods(nodes) if instance is not None else ()
        remains = Remains(machine, nodes, pods, instance, self._cloud.deletion_poll_seconds)
        step = terminate(remains, self._limits, self._clock.now())
        await self._writer.farewell(machine, nodes, step)
        if step.delete_instance:
            await self._delete_instance(name)
        return Result(requeue_after=step.poll)

    async def _delete_instance(self, name: str) -> None:
        try:
            await self._cloud.delete(name)
        except InstanceNotFoundError:
            log.info("instance is gone already", machine=name)

    async def _instance(self, name: str) -> Instance | None:
        try:
            return await self._cloud.get(name)
        except InstanceNotFoundError:
            return None

    def _nodes(self, provider_id: str | None) -> tuple[Node, ...]:
        if not provider_id:
            return ()
        return tuple(entry.decode() for entry in self._cache.by_index(NODE, PROVIDER_ID_INDEX, provider_id))

    async def _pods(self, nodes: tuple[Node, ...]) -> tuple[Pod, ...]:
        """Read the pods of nodes from the server: only a termination needs them, so they are not cached."""
        found: list[Pod] = []
        for node in nodes:
            pods = await self._client.list(POD, fields=f"spec.nodeName={node.metadata.name}")
            found.extend(pods.items)
        return tuple(found)
