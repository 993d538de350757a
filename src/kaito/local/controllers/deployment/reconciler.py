"""The deployment controller: gathers, decides, acts."""

from collections.abc import Iterable

from kaito.core import (
    DONE,
    AlreadyExistsError,
    Cache,
    Client,
    Clock,
    Controller,
    Event,
    EventRecorder,
    Key,
    Manager,
    Object,
    Result,
    key_of,
)
from kaito.core.kinds import DEPLOYMENT, POD, REPLICA_SET
from kaito.local.controllers.adoption import adopt
from kaito.local.controllers.deployment.decide import REVISION, Decision, Resize, Snapshot, decide
from kaito.local.controllers.deployment.rolling import size
from kaito.local.controllers.event_source import event_source
from kaito.local.controllers.pods import is_terminal
from kaito.local.controllers.template_hash import same_template


class DeploymentReconciler:
    """Rolls a Deployment's template out over ReplicaSets. Safe to run again at any time."""

    def __init__(self, cache: Cache, client: Client, events: EventRecorder, clock: Clock) -> None:
        self._cache = cache
        self._client = client
        self._events = events
        self._clock = clock

    async def reconcile(self, key: Key) -> Result:
        """Take the Deployment's next step. ApiError when a write is refused."""
        deployment = self._cache.get(DEPLOYMENT, key)
        if deployment is None:
            return DONE  # its ReplicaSets go by their owner reference
        if await adopt(self._cache, self._client, deployment, REPLICA_SET):
            return DONE  # the adopted ReplicaSets bring it back
        decision = decide(self._gather(deployment), self._clock.now())
        if not await self._write_replica_sets(deployment, decision):
            return Result(requeue_after=0)
        deployment = await self._write_revision(deployment, decision.revision)
        if decision.status != (deployment.get("status") or {}):
            await self._client.update({**deployment, "status": decision.status}, subresource="status")
        return Result(requeue_after=decision.requeue_after)

    def _gather(self, deployment: Object) -> Snapshot:
        uid = deployment["metadata"]["uid"]
        owned = self._cache.by_index(REPLICA_SET, "owner", uid)
        replica_sets = [entry.decode() for entry in owned if _controls(uid, entry.metadata.controller)]
        pods = [
            entry.decode()
            for replica_set in replica_sets
            for entry in self._cache.by_index(POD, "owner", replica_set["metadata"]["uid"])
        ]
        return Snapshot(deployment, replica_sets, pods)

    async def _write_replica_sets(self, deployment: Object, decision: Decision) -> bool:
        """Create, resize and delete; False when a name collided and the hash has to change first."""
        if decision.create is not None and not await self._create(deployment, decision.create):
            return False
        for resize in decision.resizes:
            await self._resize(deployment, resize)
        for replica_set in decision.delete:
            await self._client.delete(REPLICA_SET, key_of(replica_set), uid=replica_set["metadata"]["uid"])
        return True

    async def _create(self, deployment: Object, replica_set: Object) -> bool:
        try:
            await self._client.create(replica_set)
        except AlreadyExistsError:
            return await self._met(deployment, replica_set)
        replicas = replica_set["spec"]["replicas"]
        if replicas:
            self._scaled(deployment, replica_set["metadata"]["name"], 0, replicas)
        return True

    async def _met(self, deployment: Object, replica_set: Object) -> bool:
        """Tell our own ReplicaSet, which the cache has not seen yet, from another one of the same name."""
        existing = await self._client.get(REPLICA_SET, key_of(replica_set))
        owners = existing["metadata"].get("ownerReferences") or ()
        ours = any(owner.get("uid") == deployment["metadata"]["uid"] for owner in owners)
        if ours and same_template(existing["spec"]["template"], replica_set["spec"]["template"]):
            return True
        status = {**(deployment.get("status") or {})}
        status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
        await self._client.update({**deployment, "status": status}, subresource="status")
        return False

    async def _resize(self, deployment: Object, resize: Resize) -> None:
        metadata = resize.replica_set["metadata"]
        body = {
            "metadata": {"annotations": resize.annotations, "resourceVersion": metadata["resourceVersion"]},
            "spec": {"replicas": resize.replicas},
        }
        await self._client.patch(REPLICA_SET, key_of(resize.replica_set), body)
        before = size(resize.replica_set)
        if resize.replicas != before:
            self._scaled(deployment, metadata["name"], before, resize.replicas)

    def _scaled(self, deployment: Object, name: str, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        message = f"Scaled {direction} replica set {name} from {before} to {after}"
        self._events.record(deployment, "Normal", "ScalingReplicaSet", message)

    async def _write_revision(self, deployment: Object, revision: str) -> Object:
        annotations = deployment["metadata"].get("annotations") or {}
        if not revision or annotations.get(REVISION) == revision:
            return deployment
        body = {"metadata": {"annotations": {REVISION: revision}}}
        return await self._client.patch(DEPLOYMENT, key_of(deployment), body, subresource="status")


def deployment_controller(manager: Manager) -> Controller:
    """Return the deployment controller of a local cluster."""
    reconciler = DeploymentReconciler(
        manager.cache, manager.client, event_source(manager, "deployment-controller"), manager.clock
    )

    def recreated(event: Event) -> Iterable[Key]:
        return recreated_by(manager.cache, event)

    return Controller("deployment", reconciler).watching(DEPLOYMENT).owning(REPLICA_SET).watching(POD, to=recreated)


def recreated_by(cache: Cache, event: Event) -> Iterable[Key]:
    """Return the Deployment that may go on now that a pod has gone or ended: one that recreates its pods.

    No ReplicaSet tells it: a pod that is being deleted is no replica of one any more.
    """
    owner = event.entry.metadata.controller
    if owner is None or owner.kind != "ReplicaSet" or (event.new is not None and not is_terminal(event.new.json())):
        return ()
    replica_set = cache.get(REPLICA_SET, Key(event.key.namespace, owner.name))
    owners = replica_set["metadata"].get("ownerReferences") or () if replica_set else ()
    keys = (Key(event.key.namespace, one["name"]) for one in owners if one.get("kind") == "Deployment")
    return [
        key
        for key in keys
        if (deployment := cache.get(DEPLOYMENT, key))
        and (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
    ]


def _controls(uid: str, controller: object) -> bool:
    return getattr(controller, "uid", None) == uid
