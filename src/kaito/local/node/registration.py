"""Keeping the Node object: registered, up to date, alive through its Lease."""

import contextlib

from kaito.core import (
    DONE,
    AlreadyExistsError,
    Cache,
    Client,
    Clock,
    ConflictError,
    Controller,
    Event,
    EventRecorder,
    KaitoError,
    Key,
    NotFoundError,
    Object,
    Result,
)
from kaito.core.clock import micro_timestamp
from kaito.core.kinds import LEASE, NODE
from kaito.core.logs import get_logger
from kaito.local.node.node_object import Facts, lease, metadata_patch, new_node, node_status
from kaito.local.node.options import Options
from kaito.local.node.status import same_status

log = get_logger()

HEARTBEAT = 10.0
"""Seconds between renewals of the Lease. Source: kubelet (a quarter of the lease's 40 s)."""
LEASES = "kube-node-lease"


class NodeReconciler:
    """Creates the Node, keeps its labels and status, and never brings back one that is being deleted."""

    def __init__(self, options: Options, facts: Facts, ip: str, clock: Clock) -> None:
        self._options = options
        self._facts = facts
        self._ip = ip
        self._clock = clock
        self._terminating = False
        self.port = options.kubelet_port
        self.key = Key("", options.name)

    def attach(self, cache: Cache, client: Client, events: EventRecorder) -> Controller:
        """Connect to a cluster and return the controller."""
        self._cache, self._client, self._events = cache, client, events
        self.controller = Controller("node", self, workers=1).watching(NODE, when=self._notice)
        return self.controller

    def _notice(self, event: Event) -> bool:
        """Take note of a Node that goes for good: deleted with a finalizer, as by a provisioner, not by hand."""
        if event.key == self.key and event.new is not None:
            self._terminating = event.new.metadata.deletion_timestamp is not None
        return True

    async def reconcile(self, key: Key) -> Result:
        """Bring the Node up to date."""
        if key != self.key:
            return DONE
        node = self._cache.get(NODE, key)
        if node is None:
            if self._terminating:
                log.info("the node object is gone with its machine; it is not registered again", node=key.name)
                return DONE
            node = await self._register()
        if node is None or node["metadata"].get("deletionTimestamp"):
            return DONE
        patch = metadata_patch(node, self._options, self._facts)
        if patch is not None:
            with contextlib.suppress(ConflictError):
                node = await self._client.patch(NODE, key, patch)
        old = node.get("status") or {}
        status = node_status(self._options, self._facts, self._ip, self.port, old, self._clock.now())
        if not same_status(old, status):
            body = {"metadata": {"uid": node["metadata"]["uid"]}, "status": status}
            await self._client.patch(NODE, key, body, subresource="status")
        return DONE

    async def _register(self) -> Object | None:
        """Create the Node; None when it exists, which the cache does not show yet: its event brings us back."""
        try:
            node = await self._client.create(new_node(self._options, self._facts))
        except AlreadyExistsError:
            return None
        log.info("registered the node", node=self._options.name)
        self._events.record(node, "Normal", "Starting", "Starting kaito-node.")
        return node

    async def heartbeat(self) -> None:
        """Renew the Lease for ever; a failed renewal is tried again with the next one."""
        self.controller.enqueue(self.key)
        while True:
            node = self._cache.get(NODE, self.key)
            if node is None:
                await self._clock.sleep(1.0)
                continue
            try:
                await self._renew(node)
            except KaitoError as error:
                log.warning("the node's lease could not be renewed", error=str(error))
            await self._clock.sleep(HEARTBEAT)

    async def _renew(self, node: Object) -> None:
        desired = lease(node, micro_timestamp(self._clock.now()))
        try:
            await self._client.patch(LEASE, Key(LEASES, self._options.name), {"spec": desired["spec"]})
        except NotFoundError:
            await self._create_lease(desired)

    async def _create_lease(self, desired: Object) -> None:
        with contextlib.suppress(AlreadyExistsError):
            try:
                await self._client.create(desired)
            except NotFoundError:
                await self._client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASES}})
                await self._client.create(desired)
