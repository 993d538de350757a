"""The replicaset controller: gathers, decides, acts."""

from kaito.core import (
    DONE,
    ApiError,
    Cache,
    Client,
    Clock,
    Controller,
    EventRecorder,
    Key,
    Manager,
    Object,
    Result,
)
from kaito.core.clock import timestamp
from kaito.core.conditions import with_condition
from kaito.core.kinds import POD, REPLICA_SET
from kaito.local.controllers.adoption import adopt
from kaito.local.controllers.event_source import event_source
from kaito.local.controllers.pod_writes import PodWrites
from kaito.local.controllers.replicaset.decide import Decision, decide, pod_from


class ReplicaSetReconciler:
    """Keeps as many pods as a ReplicaSet asks for.

    A key is not reconciled again before the cache has seen what its last reconcile wrote (core's read-your-writes):
    that takes the place of Kubernetes' expectations, so no pod is made twice.
    """

    def __init__(self, cache: Cache, client: Client, events: EventRecorder, clock: Clock) -> None:
        self._cache = cache
        self._client = client
        self._events = events
        self._clock = clock
        self._pods = PodWrites(client, events)

    async def reconcile(self, key: Key) -> Result:
        """Create or delete pods and report. ApiError when a pod is refused; the status says so too."""
        replica_set = self._cache.get(REPLICA_SET, key)
        if replica_set is None:
            return DONE  # its pods go by their owner reference
        if await adopt(self._cache, self._client, replica_set, POD):
            return DONE  # the adopted pods bring it back
        owned = self._cache.by_index(POD, "owner", replica_set["metadata"]["uid"])
        decision = decide(replica_set, [entry.decode() for entry in owned], self._clock.now())
        failure = await self._write_pods(replica_set, decision)
        status = self._with_failure(decision.status, failure)
        if status != (replica_set.get("status") or {}):
            await self._client.update({**replica_set, "status": status}, subresource="status")
        if failure is not None:
            raise failure
        return Result(requeue_after=decision.requeue_after)

    async def _write_pods(self, replica_set: Object, decision: Decision) -> ApiError | None:
        """Return what refused a pod: the status says so before it is raised."""
        await self._pods.delete(replica_set, decision.delete)
        try:
            await self._pods.create(replica_set, [pod_from(replica_set)] * decision.create)
        except ApiError as error:
            return error
        return None

    def _with_failure(self, status: Object, failure: ApiError | None) -> Object:
        if failure is None:
            return {name: value for name, value in status.items() if name != "conditions"}
        condition = {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": failure.message,
            "lastTransitionTime": timestamp(self._clock.now()),
        }
        return {**status, "conditions": with_condition(list(status.get("conditions") or ()), condition)}


def replica_set_controller(manager: Manager) -> Controller:
    """Return the replicaset controller of a local cluster."""
    reconciler = ReplicaSetReconciler(
        manager.cache, manager.client, event_source(manager, "replicaset-controller"), manager.clock
    )
    return Controller("replicaset", reconciler).watching(REPLICA_SET).owning(POD)
