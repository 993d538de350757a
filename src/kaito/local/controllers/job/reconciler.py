"""The job controller: gathers, decides, acts."""

import asyncio
from collections.abc import Iterable

from kaito.core import (
    DONE,
    Cache,
    Client,
    Clock,
    ConflictError,
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
from kaito.core.kinds import JOB, POD
from kaito.local.controllers.adoption import adopt
from kaito.local.controllers.event_source import event_source
from kaito.local.controllers.job.decide import decide
from kaito.local.controllers.job.pods import JOB_NAME, TRACKING, pod_from, tracked
from kaito.local.controllers.pod_writes import PodWrites


class JobReconciler:
    """Runs a Job's pods to completion. Safe to run again at any time.

    As with ReplicaSets, core's read-your-writes takes the place of Kubernetes' expectations.
    """

    def __init__(self, cache: Cache, client: Client, events: EventRecorder, clock: Clock) -> None:
        self._cache = cache
        self._client = client
        self._events = events
        self._clock = clock
        self._pods = PodWrites(client, events)

    async def reconcile(self, key: Key) -> Result:
        """Take the Job's next step. ApiError when a write is refused."""
        job = self._cache.get(JOB, key)
        await self._release_strangers(key, job)
        if job is None:
            return DONE  # its pods go by their owner reference
        if await adopt(self._cache, self._client, job, POD):
            return DONE  # the adopted pods bring it back
        owned = self._cache.by_index(POD, "owner", job["metadata"]["uid"])
        decision = decide(job, [entry.decode() for entry in owned], self._clock.now())
        if decision.expired:
            await self._expire(job)
            return DONE
        await self._pods.delete(job, decision.delete)
        await self._pods.create(job, [pod_from(job, index) for index in decision.create])
        if decision.status != (job.get("status") or {}):
            await self._client.update({**job, "status": decision.status}, subresource="status")
        for event in decision.events:
            self._events.record(job, event.type, event.reason, event.message)
        await asyncio.gather(*(self._release(pod) for pod in decision.release))
        return Result(requeue_after=decision.requeue_after)

    async def _expire(self, job: Object) -> None:
        try:
            await self._client.delete(JOB, key_of(job), uid=job["metadata"]["uid"], propagation="Foreground")
        except NotFoundError:
            return

    async def _release_strangers(self, key: Key, job: Object | None) -> None:
        """Take the finalizer off pods whose Job is gone or let them go: nobody else would."""
        uid = job["metadata"]["uid"] if job is not None else ""
        for entry in self._cache.entries(POD, key.namespace):
            own = entry.metadata
            if TRACKING not in own.finalizers or own.labels.get(JOB_NAME) != key.name:
                continue
            of_another = own.controller is not None and own.controller.uid != uid
            if of_another or (own.controller is None and job is None):
                await self._release(entry.json())

    async def _release(self, pod: Object) -> None:
        if not tracked(pod):
            return
        metadata = pod["metadata"]
        kept = [name for name in metadata["finalizers"] if name != TRACKING]
        body = {"metadata": {"finalizers": kept, "resourceVersion": metadata["resourceVersion"]}}
        try:
            await self._client.patch(POD, key_of(pod), body)
        except (ConflictError, NotFoundError):
            return  # it changed or went: its next event brings us back


def job_controller(manager: Manager) -> Controller:
    """Return the job controller of a local cluster."""
    reconciler = JobReconciler(manager.cache, manager.client, event_source(manager, "job-controller"), manager.clock)
    return Controller("job", reconciler).watching(JOB).watching(POD, to=job_of)


def job_of(event: Event) -> Iterable[Key]:
    """Return the Job of a pod: its controller, else the one that its label names."""
    own = event.entry.metadata
    if own.controller is not None:
        return [Key(own.namespace, own.controller.name)] if own.controller.kind == "Job" else []
    name = own.labels.get(JOB_NAME) if TRACKING in own.finalizers else None
    return [Key(own.namespace, name)] if name else []
