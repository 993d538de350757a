"""WorkspaceReconciler: gather, decide, act."""

from kaito.controllers.workspace.act import Actor
from kaito.controllers.workspace.credentials import CredentialCopier
from kaito.controllers.workspace.decide import Decision, decide, refuse
from kaito.controllers.workspace.known import Known
from kaito.controllers.workspace.metrics import WorkspaceMetrics
from kaito.controllers.workspace.ownership import NameTakenError, reference
from kaito.controllers.workspace.reasons import REMEDIES, Reason
from kaito.controllers.workspace.servers import Servers
from kaito.controllers.workspace.snapshot import Gatherer, Snapshot
from kaito.controllers.workspace.step import Failure
from kaito.core import DONE, Clock, EventRecorder, Result
from kaito.core.errors import ForbiddenError, InvalidError, KaitoError
from kaito.core.objects import Key


class WorkspaceReconciler:
    """Brings a Workspace to what it asks for. Safe to run again at any time; changes nothing when nothing changed."""

    def __init__(
        self,
        gatherer: Gatherer,
        actor: Actor,
        servers: Servers,
        credentials: CredentialCopier,
        events: EventRecorder,
        metrics: WorkspaceMetrics,
        clock: Clock,
    ) -> None:
        self._gatherer = gatherer
        self._actor = actor
        self._servers = servers
        self._credentials = credentials
        self._events = events
        self._metrics = metrics
        self._clock = clock

    async def reconcile(self, key: Key) -> Result:
        """Do what one Workspace needs now. Raises KaitoError for what is to be tried again."""
        follower, pusher = self._servers.follower, self._servers.pusher
        snapshot = self._gatherer.gather(key, Known(follower.statuses, pusher.refused, self._credentials.known(key)))
        if snapshot is None:
            self._servers.forget(key)
            self._metrics.forget(key)
            await self._actor.release(key, self._gatherer.orphans(key))
            return DONE
        follower.follow(key, snapshot.pods)
        decision = decide(snapshot, self._clock.now())
        pusher.tell(key, decision.errands, {pod.metadata.uid for pod in snapshot.pods if not pod.going})
        try:
            await self._actor.act(snapshot, decision)
        except (InvalidError, ForbiddenError, NameTakenError) as error:
            decision = refuse(snapshot, _refusal(error), self._clock.now())
            await self._actor.write_status(snapshot.workspace, decision)
            self._tell(key, snapshot, decision)
            raise
        self._tell(key, snapshot, decision)
        return Result(requeue_after=decision.again)

    def _tell(self, key: Key, snapshot: Snapshot, decision: Decision) -> None:
        if decision.status is None:
            return
        self._metrics.saw(key, snapshot.workspace.status, decision.status)
        for occurrence in decision.occurrences:
            self._events.record(reference(snapshot.workspace), occurrence.type, occurrence.reason, occurrence.message)


def _refusal(error: KaitoError) -> Failure:
    if isinstance(error, NameTakenError):
        return Failure(error.reason, error.message, error.remedy)
    said = f"The API server refused a write: {error.message}"
    return Failure(Reason.WRITE_REFUSED, said, REMEDIES[Reason.WRITE_REFUSED])
