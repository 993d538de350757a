"""The pods of this node as the streaming endpoint sees them: which container runs, and where a pod's ports are."""

from collections.abc import Mapping

from kaito.core.objects import Key
from kaito.local.node.attachment import attach, claim_first
from kaito.local.node.containers import Containers
from kaito.local.node.execution import Execution, execute
from kaito.local.node.layout import Layout
from kaito.local.node.pods import PodState
from kaito.local.node.records import Record, latest
from kaito.local.node.streaming.endpoint import Refusal, Running
from kaito.local.node.streaming.remote_command import Wanted


class PodPrograms:
    """Finds containers by pod and name, and connects to them."""

    def __init__(self, layout: Layout, containers: Containers, pods: Mapping[str, PodState]) -> None:
        self._layout = layout
        self._containers = containers
        self._pods = pods

    async def execute(self, pod: Key, container: str, command: list[str], wanted: Wanted) -> Execution:
        """Start a command in a container that runs; raises Refusal when there is none."""
        record = self._running(pod, container)
        try:
            return await execute(record, command, wanted)
        except (FileNotFoundError, ProcessLookupError):
            raise Refusal(400, f'container "{container}" of pod "{pod.name}" has ended') from None

    async def attach(self, pod: Key, container: str, wanted: Wanted) -> Running:
        """Connect to the program of a container that runs; raises Refusal when there is none.

        A container with stdin that nobody has been attached to yet need not run any more.
        """
        record = latest(self._containers.records(self._uid(pod)).get(container, ()))
        if record is None or record.phase != "exited" or not record.stdin:
            record = self._running(pod, container)
        folder = self._layout.attempt(record.uid, record.name, record.attempt)
        first = record.stdin and claim_first(folder)
        try:
            return await attach(folder, record, replay=first)
        except ConnectionRefusedError:
            raise Refusal(400, f'container "{container}" of pod "{pod.name}" has ended') from None

    def address(self, pod: Key) -> str:
        """Return the address of a pod of this node; raises Refusal when there is none."""
        return self._pods[self._uid(pod)].ip

    def _uid(self, pod: Key) -> str:
        uid = next((uid for uid, state in self._pods.items() if state.key == pod), None)
        if uid is None:
            raise Refusal(404, f'pod "{pod.name}" not found on this node')
        return uid

    def _running(self, pod: Key, container: str) -> Record:
        record = latest(self._containers.records(self._uid(pod)).get(container, ()))
        if record is None:
            raise Refusal(400, f'container "{container}" of pod "{pod.name}" has not started yet')
        if record.phase == "exited":
            raise Refusal(400, f'container "{container}" of pod "{pod.name}" has ended ({record.reason})')
        if record.phase != "running":
            raise Refusal(400, f'container "{container}" of pod "{pod.name}" is being started')
        return record
