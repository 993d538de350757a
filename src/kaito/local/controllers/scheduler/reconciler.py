"""The scheduler: binds each waiting pod to a node, or says why none will do."""

from collections.abc import Iterable
from typing import Any

from kaito.core import (
    DONE,
    Cache,
    CacheEntry,
    Client,
    Clock,
    Controller,
    Event,
    EventRecorder,
    Key,
    Manager,
    NotFoundError,
    Object,
    Result,
    key_of,
)
from kaito.core.clock import timestamp
from kaito.core.conditions import condition
from kaito.core.kinds import NODE, POD
from kaito.local.controllers.event_source import event_source
from kaito.local.controllers.pods import is_terminal, node_name
from kaito.local.controllers.scheduler.decide import Candidate, host_ports, place, wants_scheduling
from kaito.local.controllers.scheduler.resources import used

BY_NODE = "node"
WAITING = "waiting for a node"


class SchedulerReconciler:
    """Binds pods one at a time; a binding counts at once, before the cache has seen it (`_assumed`)."""

    def __init__(self, cache: Cache, client: Client, events: EventRecorder, clock: Clock) -> None:
        self._cache = cache
        self._client = client
        self._events = events
        self._clock = clock
        self._assumed: dict[Key, tuple[Object, str]] = {}

    async def reconcile(self, key: Key) -> Result:
        """Place one pod. A pod that fits nowhere is tried again when a node or another pod changes."""
        pod = self._cache.get(POD, key)
        if pod is None or not wants_scheduling(pod) or key in self._still_assumed():
            return DONE
        placement = place(pod, self._candidates())
        if placement.node:
            await self._bind(pod, placement.node)
        else:
            await self._refuse(pod, placement.message)
        return DONE

    def _still_assumed(self) -> dict[Key, tuple[Object, str]]:
        """Forget assumptions that the cache has caught up with."""
        for key, (pod, _) in list(self._assumed.items()):
            seen = self._cache.get(POD, key)
            if seen is None or node_name(seen) or seen["metadata"]["uid"] != pod["metadata"]["uid"]:
                del self._assumed[key]
        return self._assumed

    def _candidates(self) -> list[Candidate]:
        result = []
        for entry in self._cache.entries(NODE):
            if entry.metadata.deletion_timestamp:
                continue
            name = entry.metadata.name
            bound = [one.decode() for one in self._cache.by_index(POD, BY_NODE, name)]
            pods = [pod for pod in bound if not is_terminal(pod)]
            pods += [pod for pod, node in self._assumed.values() if node == name]
            ports = frozenset().union(*(host_ports(pod) for pod in pods))
            result.append(Candidate(entry.decode(), used(pods), ports))
        return result

    async def _bind(self, pod: Object, node: str) -> None:
        metadata = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._assumed[key_of(pod)] = (pod, node)
        at = self._clock.now()
        try:
            await self._client.create_subresource(POD, key_of(pod), "binding", binding)
        except NotFoundError:
            self._assumed.pop(key_of(pod), None)
            return
        except BaseException:
            self._assumed.pop(key_of(pod), None)
            raise
        message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}"
        self._events.record(pod, "Normal", "Scheduled", message, action="Binding", at=at)

    async def _refuse(self, pod: Object, message: str) -> None:
        current = condition(pod.get("status") or {}, "PodScheduled")
        if current is not None and current.get("status") == "False" and current.get("message") == message:
            return
        self._events.record(pod, "Warning", "FailedScheduling", message, action="Scheduling")
        unscheduled = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(self._clock.now()),
        }
        if current is not None and current.get("status") == "False":
            unscheduled["lastTransitionTime"] = current.get("lastTransitionTime", unscheduled["lastTransitionTime"])
        body = {"status": {"conditions": [unscheduled]}}
        await self._client.patch(POD, key_of(pod), body, patch_type="strategic", subresource="status")


def scheduler_controller(manager: Manager) -> Controller:
    """Return the scheduler of a local cluster. One worker: pods are placed one after the other."""
    manager.cache.add_index(POD, BY_NODE, _node_of)
    manager.cache.add_index(POD, WAITING, _waiting)
    reconciler = SchedulerReconciler(
        manager.cache, manager.client, event_source(manager, "default-scheduler"), manager.clock
    )

    def waiting(_: Event) -> Iterable[Key]:
        return [entry.key for entry in manager.cache.by_index(POD, WAITING, "yes")]

    return (
        Controller("scheduler", reconciler, workers=1)
        .watching(POD, when=_is_waiting)
        .watching(POD, to=waiting, when=_frees_a_node)
        .watching(NODE, to=waiting, when=_node_matters)
    )


def _node_of(entry: CacheEntry[Any]) -> Iterable[str]:
    name = node_name(entry.decode())
    return (name,) if name else ()


def _waiting(entry: CacheEntry[Any]) -> Iterable[str]:
    return ("yes",) if wants_scheduling(entry.decode()) else ()


def _is_waiting(event: Event) -> bool:
    return event.new is not None and wants_scheduling(event.new.decode())


def _frees_a_node(event: Event) -> bool:
    """Whether a bound pod went, ended or changed what it reserves."""
    if event.old is None or not node_name(event.old.decode()):
        return False
    return event.new is None or (is_terminal(event.new.decode()) and not is_terminal(event.old.decode()))


def _node_matters(event: Event) -> bool:
    """Whether a node changed in something a filter reads; heartbeats do not count."""
    if event.old is None or event.new is None:
        return True
    return _filtered(event.old.decode()) != _filtered(event.new.decode())


def _filtered(node: Object) -> tuple[Any, ...]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    ready = condition(status, "Ready") or {}
    return (
        spec.get("taints"),
        spec.get("unschedulable"),
        node["metadata"].get("labels"),
        status.get("allocatable"),
        ready.get("status"),
    )
