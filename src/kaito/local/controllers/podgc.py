"""Pod garbage collection: a pod whose node is gone is deleted, since no kubelet will ever end it.

Source: Kubernetes' `pkg/controller/podgc` (`gcOrphaned`).
"""

from collections.abc import Iterable

from kaito.core import DONE, Cache, Client, Controller, Event, Key, Manager, NotFoundError, Result
from kaito.core.kinds import NODE, POD
from kaito.local.controllers.pods import node_name
from kaito.local.controllers.scheduler.reconciler import BY_NODE


class PodGarbageReconciler:
    """Deletes pods of vanished nodes at once. Safe to run again at any time."""

    def __init__(self, cache: Cache, client: Client) -> None:
        self._cache = cache
        self._client = client

    async def reconcile(self, key: Key) -> Result:
        """Delete the pod when its node exists neither in the cache nor on the server."""
        pod = self._cache.get(POD, key)
        node = node_name(pod) if pod is not None else ""
        if pod is None or not node or self._cache.entry(NODE, Key("", node)) is not None:
            return DONE
        try:
            await self._client.get(NODE, Key("", node))
        except NotFoundError:
            try:
                await self._client.delete(POD, key, uid=pod["metadata"]["uid"], grace_period_seconds=0)
            except NotFoundError:
                return DONE
        return DONE


def pod_garbage_controller(manager: Manager) -> Controller:
    """Return the pod garbage collector. Needs the scheduler's index of pods by node."""

    def of_node(event: Event) -> Iterable[Key]:
        return [entry.key for entry in manager.cache.by_index(POD, BY_NODE, event.key.name)]

    def homeless(event: Event) -> bool:
        node = node_name(event.new.decode()) if event.new is not None else ""
        return bool(node) and manager.cache.entry(NODE, Key("", node)) is None

    reconciler = PodGarbageReconciler(manager.cache, manager.client)
    return (
        Controller("pod-garbage", reconciler)
        .watching(POD, when=homeless)
        .watching(NODE, to=of_node, when=lambda event: event.type == "DELETED")
    )
