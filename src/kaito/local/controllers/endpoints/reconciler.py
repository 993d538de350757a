"""The endpoints controller: writes Endpoints and EndpointSlice of every Service with a selector."""

from collections.abc import Iterable

from kaito.core import (
    DONE,
    Cache,
    Client,
    Controller,
    Event,
    Key,
    Kind,
    Manager,
    NotFoundError,
    Object,
    Result,
    key_of,
)
from kaito.core.kinds import ENDPOINT_SLICE, ENDPOINTS, NODE, POD, SERVICE
from kaito.local.controllers.endpoints.decide import SERVICE_NAME, differs, endpoint_slice, endpoints, has_endpoints

ZONE = "topology.kubernetes.io/zone"


class EndpointsReconciler:
    """Keeps the addresses behind a Service. Safe to run again at any time."""

    def __init__(self, cache: Cache, client: Client) -> None:
        self._cache = cache
        self._client = client

    async def reconcile(self, key: Key) -> Result:
        """Write what changed; remove both when the Service is gone."""
        service = self._cache.get(SERVICE, key)
        if service is None:
            await self._remove(key)
            return DONE
        if not has_endpoints(service) or service["metadata"].get("deletionTimestamp"):
            return DONE
        pods = self._cache.list(POD, key.namespace, labels=service["spec"]["selector"])
        zones = {
            entry.metadata.name: entry.metadata.labels[ZONE]
            for entry in self._cache.entries(NODE)
            if ZONE in entry.metadata.labels
        }
        await self._write(ENDPOINTS, endpoints(service, pods))
        await self._write(ENDPOINT_SLICE, endpoint_slice(service, pods, zones))
        return DONE

    async def _write(self, kind: Kind[Object], wanted: Object) -> None:
        current = self._cache.get(kind, key_of(wanted))
        if not differs(current, wanted):
            return
        if current is None:
            await self._client.create(wanted)
            return
        kept = current["metadata"]
        labels = {**(kept.get("labels") or {}), **wanted["metadata"]["labels"]}
        await self._client.update({**wanted, "metadata": {**kept, "labels": labels}})

    async def _remove(self, key: Key) -> None:
        found = [(ENDPOINTS, key)] if self._cache.get(ENDPOINTS, key) is not None else []
        slices = self._cache.entries(ENDPOINT_SLICE, key.namespace, labels={SERVICE_NAME: key.name})
        for kind, one in [*found, *((ENDPOINT_SLICE, entry.key) for entry in slices)]:
            try:
                await self._client.delete(kind, one)
            except NotFoundError:
                continue


def endpoints_controller(manager: Manager) -> Controller:
    """Return the endpoints controller of a local cluster."""
    manager.caching(NODE)
    reconciler = EndpointsReconciler(manager.cache, manager.client)

    def services(event: Event) -> Iterable[Key]:
        """Return the Services that select the pod, as it was or as it is."""
        labels = [entry.metadata.labels for entry in (event.old, event.new) if entry is not None]
        return {
            entry.key
            for entry in manager.cache.entries(SERVICE, event.key.namespace)
            if (selector := (entry.decode().get("spec") or {}).get("selector"))
            and any(selector.items() <= one.items() for one in labels)
        }

    return (
        Controller("endpoints", reconciler)
        .watching(SERVICE)
        .watching(POD, to=services)
        .watching(ENDPOINTS)
        .watching(ENDPOINT_SLICE, to=_service_of_slice)
    )


def _service_of_slice(event: Event) -> Iterable[Key]:
    entry = event.new or event.old
    name = entry.metadata.labels.get(SERVICE_NAME) if entry else None
    return (Key(event.key.namespace, name),) if name else ()
