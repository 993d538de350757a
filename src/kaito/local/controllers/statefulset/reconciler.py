"""The statefulset controller: gathers, decides, acts."""

from kaito.core import (
    DONE,
    AlreadyExistsError,
    ApiError,
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
from kaito.core.kinds import CONTROLLER_REVISION, POD, STATEFUL_SET
from kaito.local.controllers.adoption import adopt
from kaito.local.controllers.event_source import event_source
from kaito.local.controllers.statefulset.decide import Decision, decide
from kaito.local.controllers.statefulset.pods import ordinal
from kaito.local.controllers.statefulset.revisions import Revisions, template_of
from kaito.local.controllers.template_hash import same_template


class StatefulSetReconciler:
    """Keeps a StatefulSet's pods, one after the other. Safe to run again at any time.

    As with ReplicaSets, core's read-your-writes takes the place of Kubernetes' expectations.
    """

    def __init__(self, cache: Cache, client: Client, events: EventRecorder, clock: Clock) -> None:
        self._cache = cache
        self._client = client
        self._events = events
        self._clock = clock

    async def reconcile(self, key: Key) -> Result:
        """Take the set's next step. ApiError when a write is refused."""
        stateful_set = self._cache.get(STATEFUL_SET, key)
        if stateful_set is None:
            return DONE  # its pods go by their owner reference
        if await self._adopt(stateful_set):
            return DONE  # what was adopted brings it back
        uid = stateful_set["metadata"]["uid"]
        pods, revisions = (
            [entry.decode() for entry in self._cache.by_index(kind, "owner", uid)]
            for kind in (POD, CONTROLLER_REVISION)
        )
        decision = decide(stateful_set, pods, revisions, self._clock.now())
        if decision.refusal:
            self._events.record(stateful_set, "Warning", "FailedCreate", decision.refusal)
            return DONE
        if decision.revisions is not None and not await self._write_revisions(stateful_set, decision.revisions):
            return DONE
        if decision.status != (stateful_set.get("status") or {}):
            await self._client.update({**stateful_set, "status": decision.status}, subresource="status")
        await self._write_pods(stateful_set, decision)
        for one in decision.forget:
            await self._client.delete(CONTROLLER_REVISION, key_of(one), uid=one["metadata"]["uid"])
        return Result(requeue_after=decision.requeue_after)

    async def _adopt(self, stateful_set: Object) -> bool:
        name = stateful_set["metadata"]["name"]
        revisions = await adopt(self._cache, self._client, stateful_set, CONTROLLER_REVISION)
        pods = await adopt(
            self._cache, self._client, stateful_set, POD, only=lambda pod: ordinal(name, pod) is not None
        )
        return revisions or pods

    async def _write_revisions(self, stateful_set: Object, revisions: Revisions) -> bool:
        """Create or renumber; False when a name collided and the hash has to change first."""
        if revisions.renumber is not None:
            one, number = revisions.renumber
            body = {"metadata": {"resourceVersion": one["metadata"]["resourceVersion"]}, "revision": number}
            await self._client.patch(CONTROLLER_REVISION, key_of(one), body)
        if revisions.create is None:
            return True
        try:
            await self._client.create(revisions.create)
        except AlreadyExistsError:
            existing = await self._client.get(CONTROLLER_REVISION, key_of(revisions.create))
            if same_template(template_of(existing), template_of(revisions.create)):
                return True  # our own, which the cache has not seen yet, or soon adopted
            status = {**(stateful_set.get("status") or {"replicas": 0})}
            status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
            await self._client.update({**stateful_set, "status": status}, subresource="status")
            return False
        return True

    async def _write_pods(self, stateful_set: Object, decision: Decision) -> None:
        for pod in decision.delete:
            try:
                await self._client.delete(POD, key_of(pod), uid=pod["metadata"]["uid"])
            except NotFoundError:
                continue
            self._said(stateful_set, "delete", pod)
        for pod in decision.create:
            try:
                await self._client.create(pod)
            except ApiError as error:
                words = f"{_about('create', stateful_set, pod)} failed error: {error.message}"
                self._events.record(stateful_set, "Warning", "FailedCreate", words)
                raise
            self._said(stateful_set, "create", pod)

    def _said(self, stateful_set: Object, verb: str, pod: Object) -> None:
        reason, words = f"Successful{verb.capitalize()}", f"{_about(verb, stateful_set, pod)} successful"
        self._events.record(stateful_set, "Normal", reason, words)


def _about(verb: str, stateful_set: Object, pod: Object) -> str:
    return f"{verb} Pod {pod['metadata']['name']} in StatefulSet {stateful_set['metadata']['name']}"


def stateful_set_controller(manager: Manager) -> Controller:
    """Return the statefulset controller of a local cluster."""
    reconciler = StatefulSetReconciler(
        manager.cache, manager.client, event_source(manager, "statefulset-controller"), manager.clock
    )
    return Controller("statefulset", reconciler).watching(STATEFUL_SET).owning(POD).owning(CONTROLLER_REVISION)
