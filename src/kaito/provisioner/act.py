"""The only file that writes to the API server: a difference becomes a request, no difference none."""

import contextlib
from typing import Final, Literal, Protocol

from kaito.api.machine import MACHINE, TERMINATION_FINALIZER, Machine
from kaito.core.client import Client
from kaito.core.errors import ApiError, ConflictError, NotFoundError, TooManyRequestsError
from kaito.core.logs import get_logger
from kaito.core.objects import Key, Object
from kaito.provisioner.lifecycle import Farewell, Notice, Progress
from kaito.provisioner.metrics import ProvisionerMetrics
from kaito.provisioner.node import NODE, POD, Node, Pod
from kaito.provisioner.patches import machine_patch, node_patch, status_patch

log = get_logger()

METHOD_NOT_ALLOWED: Final = 405


class Recorder(Protocol):
    """What is needed of `kaito.core.EventRecorder`."""

    def record(
        self,
        obj: Object,
        type: Literal["Normal", "Warning"],  # noqa: A002 - the field's name in an Event
        reason: str,
        message: str,
        *,
        action: str = "",
    ) -> None:
        """Record an event; never blocks."""


class Writer:
    """Writes what was decided, each object bound to the uid that the decision was about."""

    def __init__(self, client: Client, events: Recorder, metrics: ProvisionerMetrics) -> None:
        self._client = client
        self._events = events
        self._metrics = metrics

    async def machine(self, old: Machine, new: Machine) -> Machine:
        """Write metadata, then status, as far as they differ; return the Machine as the server has it now."""
        key = Key("", old.metadata.name)
        current = old
        if body := machine_patch(old, new):
            current = Machine.model_validate(await self._client.patch(MACHINE, key, body))
        if body := status_patch(old, new):
            current = Machine.model_validate(await self._client.patch(MACHINE, key, body, subresource="status"))
        self._metrics.wrote(old, new)
        return current

    async def node(self, old: Node, new: Node) -> None:
        """Write what differs of a Node. A Node that has gone meanwhile needs nothing: its event brings us back."""
        if body := node_patch(old, new):
            with contextlib.suppress(NotFoundError):
                await self._client.patch(NODE, old.metadata.key, body)

    async def progress(self, old: Progress, new: Progress) -> None:
        """Write a decision: the node, the Machine, the end of the Machine if it was decided, and the events."""
        if old.node is not None and new.node is not None:
            await self.node(old.node, new.node)
        await self.machine(old.machine, new.machine)
        self._record(new.notices, new.machine, new.nodes)
        if new.delete_machine:
            await self.delete_machine(new.machine)
            self._metrics.gave_up(new.machine, new.notices[-1].reason)

    async def delete_machine(self, machine: Machine) -> None:
        """Delete this very Machine; its finalizer starts the termination."""
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._client.delete(MACHINE, Key("", machine.metadata.name), uid=machine.metadata.uid)

    async def farewell(self, machine: Machine, nodes: tuple[Node, ...], step: Farewell) -> None:
        """Write one step of a termination, all but what the cloud is asked for."""
        by_name = {node.metadata.name: node for node in nodes}
        for node in step.nodes:
            await self.node(by_name[node.metadata.name], node)
        wanted = _without_finalizer(step.machine) if step.release else step.machine
        with contextlib.suppress(NotFoundError):
            await self.machine(machine, wanted)
        self._record(step.notices, machine, nodes)
        for pod in step.evict:
            await self._evict(pod, nodes)
        for pod in step.delete_pods:
            await self._delete_pod(pod)
        for node in step.delete_nodes:
            await self.delete_node(node)

    async def delete_node(self, node: Node) -> None:
        """Delete this very Node."""
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._client.delete(NODE, node.metadata.key, uid=node.metadata.uid)

    async def _evict(self, pod: Pod, nodes: tuple[Node, ...]) -> None:
        """Ask for a pod to leave; a server without evictions deletes it instead."""
        namespace, name = pod.metadata.key
        eviction: Object = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": pod.metadata.uid}},
        }
        try:
            await self._client.create_subresource(POD, pod.metadata.key, "eviction", eviction)
        except ConflictError:
            return  # another pod of this name by now
        except TooManyRequestsError as error:
            self._record((Notice("Warning", "FailedDraining", f"{pod}: {error.message}", on="Node"),), None, nodes)
        except ApiError as error:
            if not isinstance(error, NotFoundError) and error.code != METHOD_NOT_ALLOWED:
                raise
            await self._delete_pod(pod)

    async def _delete_pod(self, pod: Pod) -> None:
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._client.delete(POD, pod.metadata.key, uid=pod.metadata.uid)

    def _record(self, notices: tuple[Notice, ...], machine: Machine | None, nodes: tuple[Node, ...]) -> None:
        for notice in notices:
            name = machine.metadata.name if machine else ""
            log.info("event", type=notice.type, reason=notice.reason, message=notice.message, machine=name)
            if notice.on == "Node":
                for node in nodes:
                    self._events.record(node_reference(node), notice.type, notice.reason, notice.message)
            elif machine is not None:
                self._events.record(machine.reference(), notice.type, notice.reason, notice.message)


def node_reference(node: Node) -> Object:
    """Return what an Event names a Node by; Kubernetes' own events use the name as the uid."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.metadata.name, "uid": node.metadata.uid},
    }


def _without_finalizer(machine: Machine) -> Machine:
    finalizers = tuple(one for one in machine.metadata.finalizers if one != TERMINATION_FINALIZER)
    return machine.model_copy(update={"metadata": machine.metadata.model_copy(update={"finalizers": finalizers})})
