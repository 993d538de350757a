"""The service proxy: keeps one forwarder per address of a Service, in step with its EndpointSlices."""

from collections.abc import Iterable

from kaito.core import DONE, Cache, Controller, Event, EventRecorder, Key, Manager, Object, Result
from kaito.core.kinds import ENDPOINT_SLICE, NODE, SERVICE
from kaito.core.logs import get_logger
from kaito.local.controllers.endpoints.decide import SERVICE_NAME
from kaito.local.controllers.event_source import event_source
from kaito.local.loopback import add_address, remove_address
from kaito.local.proxy.forwarder import Forwarder
from kaito.local.proxy.refusal import REASON, refusal_message
from kaito.local.proxy.table import Address, Table, is_loopback, table

_log = get_logger()

RETRY_SECONDS = 10.0
"""When an address that could not be listened on is tried again: another program may have let go of it."""
PROVIDER_ID_PREFIX = "local:///"


class ServiceProxy:
    """Forwards the ClusterIPs of Services to ready pods.

    `local_nodes_only`: on a cluster with other nodes than ours only endpoints on our own count.
    """

    def __init__(self, cache: Cache, events: EventRecorder, *, local_nodes_only: bool = False) -> None:
        self._cache = cache
        self._events = events
        self._local_nodes_only = local_nodes_only
        self._forwarders: dict[Key, dict[Address, Forwarder]] = {}
        self._refused: dict[Address, str] = {}
        self._added: set[str] = set()

    async def reconcile(self, key: Key) -> Result:
        """Open, redirect and close the forwarders of one Service."""
        service = self._cache.get(SERVICE, key)
        wanted = self._table(key, service) if service is not None else {}
        current = self._forwarders.setdefault(key, {})
        for address in [one for one in current if one not in wanted]:
            await self._close(current.pop(address))
        for address, endpoints in wanted.items():
            if address in current:
                current[address].lead_to(endpoints)
            elif service is not None and (forwarder := await self._open(service, address, endpoints)):
                current[address] = forwarder
        if not current:
            del self._forwarders[key]
        return Result(requeue_after=RETRY_SECONDS) if len(current) < len(wanted) else DONE

    async def stop(self) -> None:
        """Close every forwarder and take added addresses away."""
        for forwarders in list(self._forwarders.values()):
            for forwarder in forwarders.values():
                await self._close(forwarder)
        self._forwarders.clear()
        for address in self._added:
            _remove(address)
        self._added.clear()

    def _table(self, key: Key, service: Object) -> Table:
        slices = self._cache.list(ENDPOINT_SLICE, key.namespace, labels={SERVICE_NAME: key.name})
        return table(service, slices, self._local_nodes() if self._local_nodes_only else None)

    def _local_nodes(self) -> set[str]:
        nodes = self._cache.list(NODE)
        return {
            node["metadata"]["name"]
            for node in nodes
            if str((node.get("spec") or {}).get("providerID") or "").startswith(PROVIDER_ID_PREFIX)
        }

    async def _open(self, service: Object, address: Address, endpoints: tuple[Address, ...]) -> Forwarder | None:
        forwarder = Forwarder(address)
        forwarder.lead_to(endpoints)
        try:
            self._add_address(address.host)
            await forwarder.start()
        except OSError as error:
            self._refuse(service, address, error, endpoints)
            return None
        self._refused.pop(address, None)
        _log.info("service address opened", service=service["metadata"]["name"], address=str(address))
        return forwarder

    def _add_address(self, host: str) -> None:
        if is_loopback(host) or host in self._added:
            return
        add_address(f"{host}/32")
        self._added.add(host)

    async def _close(self, forwarder: Forwarder) -> None:
        await forwarder.stop()
        host = forwarder.address.host
        if host in self._added and not any(host == one.host for each in self._forwarders.values() for one in each):
            self._added.discard(host)
            _remove(host)

    def _refuse(self, service: Object, address: Address, error: OSError, endpoints: tuple[Address, ...]) -> None:
        """Warn once per address and cause."""
        message = refusal_message(address, error, service, endpoints)
        if self._refused.get(address) == message:
            return
        self._refused[address] = message
        _log.warning("service address refused", service=service["metadata"]["name"], error=message)
        if service["spec"].get("selector"):  # the API server's own Service has another address in every kubeconfig
            self._events.record(service, "Warning", REASON, message)


def service_proxy(manager: Manager, *, local_nodes_only: bool = False) -> tuple[Controller, ServiceProxy]:
    """Return the proxy's controller and the proxy, which is to be stopped after the manager."""
    proxy = ServiceProxy(manager.cache, event_source(manager, "kaito-proxy"), local_nodes_only=local_nodes_only)
    if local_nodes_only:
        manager.caching(NODE)

    def service_of(event: Event) -> Iterable[Key]:
        entry = event.new or event.old
        name = entry.metadata.labels.get(SERVICE_NAME) if entry else None
        return (Key(event.key.namespace, name),) if name else ()

    controller = Controller("service-proxy", proxy, workers=1)
    return controller.watching(SERVICE).watching(ENDPOINT_SLICE, to=service_of), proxy


def _remove(address: str) -> None:
    try:
        remove_address(f"{address}/32")
    except OSError as error:
        _log.warning("address stays on the loopback interface", address=address, error=str(error))
