"""The disruption controller: gathers, decides, acts."""

from collections.abc import Iterable, Sequence

from kaito.core import DONE, Cache, Client, Clock, Controller, Event, Key, Manager, Object, Result, Selector
from kaito.core.kinds import DEPLOYMENT, POD, POD_DISRUPTION_BUDGET, REPLICA_SET, STATEFUL_SET
from kaito.local.controllers.deployment.rolling import desired_replicas
from kaito.local.controllers.disruption.decide import controller_uid, decide


class DisruptionReconciler:
    """Keeps the status of a PodDisruptionBudget, which evictions ask. Safe to run again at any time."""

    def __init__(self, cache: Cache, client: Client, clock: Clock) -> None:
        self._cache = cache
        self._client = client
        self._clock = clock

    async def reconcile(self, key: Key) -> Result:
        """Count the budget's pods. ApiError when the status is refused: an eviction has changed it meanwhile."""
        budget = self._cache.get(POD_DISRUPTION_BUDGET, key)
        if budget is None:
            return DONE
        written = (budget.get("spec") or {}).get("selector")
        selector = Selector.from_label_selector(written) if written is not None else None
        entries = self._cache.entries(POD, key.namespace, labels=selector) if selector is not None else ()
        pods = [entry.decode() for entry in entries]
        decision = decide(budget, pods, self._scales(key.namespace, pods), self._clock.now())
        if decision.status != (budget.get("status") or {}):
            await self._client.update({**budget, "status": decision.status}, subresource="status")
        return Result(requeue_after=decision.requeue_after)

    def _scales(self, namespace: str, pods: Sequence[Object]) -> dict[str, int]:
        """Return the replicas that the controllers of pods are asked for; of a ReplicaSet, those of its Deployment."""
        wanted = {controller_uid(pod) for pod in pods}
        deployments = {entry.metadata.uid: entry.decode() for entry in self._cache.entries(DEPLOYMENT, namespace)}
        scales = {}
        for kind in (REPLICA_SET, STATEFUL_SET):
            for entry in self._cache.entries(kind, namespace):
                if entry.metadata.uid not in wanted:
                    continue
                owner = entry.metadata.controller
                of = deployments.get(owner.uid) if owner is not None else None
                scales[entry.metadata.uid] = desired_replicas((of or entry.decode())["spec"])
        return scales


def disruption_controller(manager: Manager) -> Controller:
    """Return the disruption controller of a local cluster."""

    def budgets(event: Event) -> Iterable[Key]:
        """Return the budgets of the namespace that something has changed in: they are few."""
        return [entry.key for entry in manager.cache.entries(POD_DISRUPTION_BUDGET, event.key.namespace)]

    controller = Controller("disruption", DisruptionReconciler(manager.cache, manager.client, manager.clock))
    controller.watching(POD_DISRUPTION_BUDGET)
    for kind in (POD, DEPLOYMENT, REPLICA_SET, STATEFUL_SET):
        controller.watching(kind, to=budgets)
    return controller
