"""The node lifecycle controller: notices silent nodes, taints them, moves their pods."""

from kaito.core import (
    DONE,
    Cache,
    Client,
    Clock,
    Controller,
    EventRecorder,
    Key,
    Manager,
    NotFoundError,
    Object,
    Result,
    key_of,
)
from kaito.core.kinds import LEASE, NODE, POD
from kaito.local.controllers.event_source import event_source
from kaito.local.controllers.nodelifecycle.decide import NodeDecision, eviction_wait, judge_node, not_ready_conditions
from kaito.local.controllers.pods import is_active
from kaito.local.controllers.scheduler.reconciler import BY_NODE

LEASE_NAMESPACE = "kube-node-lease"


class NodeLifecycleReconciler:
    """Judges one node by its Lease. Safe to run again at any time."""

    def __init__(self, cache: Cache, client: Client, events: EventRecorder, clock: Clock) -> None:
        self._cache = cache
        self._client = client
        self._events = events
        self._clock = clock
        self._started = clock.now()

    async def reconcile(self, key: Key) -> Result:
        """Write the node's conditions and taints, then evict what may not stay."""
        node = self._cache.get(NODE, key)
        if node is None or node["metadata"].get("deletionTimestamp"):
            return DONE
        now = self._clock.now()
        decision = judge_node(node, self._cache.get(LEASE, Key(LEASE_NAMESPACE, key.name)), self._started, now)
        await self._write(node, decision)
        pods = [entry.decode() for entry in self._cache.by_index(POD, BY_NODE, key.name)]
        if decision.unreachable:
            await self._mark_not_ready(pods)
        taints = decision.taints if decision.taints is not None else (node.get("spec") or {}).get("taints") or []
        wait = await self._evict(pods, taints)
        waits = [seconds for seconds in (decision.requeue_after, wait) if seconds is not None]
        return Result(requeue_after=min(waits, default=None))

    async def _write(self, node: Object, decision: NodeDecision) -> None:
        if decision.conditions is not None:
            body = {"status": {"conditions": decision.conditions}}
            await self._client.patch(NODE, key_of(node), body, patch_type="strategic", subresource="status")
            if decision.unreachable:
                message = f"Node {node['metadata']['name']} status is now: NodeNotReady"
                self._events.record(node, "Normal", "NodeNotReady", message)
        if decision.taints is not None:
            # The resourceVersion makes this a conflict when someone else changed the taints in between.
            version = (
                {} if decision.conditions is not None else {"resourceVersion": node["metadata"]["resourceVersion"]}
            )
            patch: Object = {"metadata": version, "spec": {"taints": decision.taints or None}}
            await self._client.patch(NODE, key_of(node), patch)

    async def _mark_not_ready(self, pods: list[Object]) -> None:
        for pod in pods:
            conditions = not_ready_conditions(pod, self._clock.now())
            if conditions is not None:
                body = {"status": {"conditions": conditions}}
                await self._client.patch(POD, key_of(pod), body, patch_type="strategic", subresource="status")

    async def _evict(self, pods: list[Object], taints: list[Object]) -> float | None:
        """Delete the pods whose time is over; return the seconds until the next one's is."""
        pending = []
        for pod in filter(is_active, pods):
            wait = eviction_wait(pod, taints, self._clock.now())
            if wait is None:
                continue
            if wait > 0:
                pending.append(wait)
                continue
            name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            self._events.record(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {name}")
            try:
                await self._client.delete(POD, key_of(pod), uid=pod["metadata"]["uid"])
            except NotFoundError:
                continue
        return min(pending, default=None)


def node_lifecycle_controller(manager: Manager) -> Controller:
    """Return the node lifecycle controller of a local cluster. Needs the scheduler's index of pods by node."""
    manager.caching(LEASE)
    reconciler = NodeLifecycleReconciler(
        manager.cache, manager.client, event_source(manager, "node-controller"), manager.clock
    )
    return Controller("node-lifecycle", reconciler).watching(NODE)
