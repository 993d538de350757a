"""The workloads on kopf, with its defaults: no events posted, no peering; on uvloop, as `kopf run` is.

kopf keeps no cache of objects, so there is no no-op resync and no election; `sync`, `steady`, `storm` and `idle` count
events in an `on.event` handler, which writes nothing.
"""

import asyncio
import hashlib
import logging
import ssl
import time
from typing import Any, Final

import aiohttp
import kopf

from bench.peers.meter import Meter
from bench.peers.orders import Options, Orders, parse, say
from bench.replay.families import AT, DERIVED, DIGEST, ROLE
from bench.replay.world import state_digest
from kaito.core import load_connection, owner_reference, run

AGENT: Final = "bench-kopf"
RESOURCES: Final = {
    "bulk": ("v1", "configmaps"),
    "steady": ("bench.example.com/v1", "widgets"),
    "storm": ("bench.example.com/v1", "widgets"),
    "sync": ("v1", "pods"),
    "idle": ("v1", "pods"),
}


class Peer:
    """One operator and what it has seen."""

    def __init__(self, options: Options) -> None:
        self.meter = Meter()
        self.complete = asyncio.Event()
        self.states: dict[str, str] = {}
        self._options = options
        self._children: aiohttp.ClientSession | None = None
        self._server = options.server
        self.registry = kopf.OperatorRegistry()
        self.settings = kopf.OperatorSettings()
        self.settings.posting.enabled = False
        self.settings.peering.standalone = True
        kopf.on.login(registry=self.registry)(self.login)
        resource = RESOURCES[options.workload]
        if options.workload == "bulk":
            kopf.on.create(*resource, labels={ROLE: "primary"}, registry=self.registry)(self.create)
        else:
            kopf.on.event(*resource, registry=self.registry)(self.look)

    async def login(self, **_: Any) -> kopf.ConnectionInfo:
        """Return where the server is; for the real one also open a session for the owned objects."""
        if not self._options.kubeconfig:
            return kopf.ConnectionInfo(server=self._server)
        found = load_connection(self._options.kubeconfig)
        self._server = found.server
        context = ssl.create_default_context(cadata=(found.ca_data or b"").decode())
        self._children = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            headers={"Authorization": f"Bearer {found.token}", "User-Agent": AGENT},
        )
        return kopf.ConnectionInfo(server=found.server, ca_data=found.ca_data, token=found.token)

    async def create(self, *, body: kopf.Body, name: str, namespace: str | None, patch: kopf.Patch, **_: Any) -> None:
        """Write the owned ConfigMap; kopf itself sends the annotation, with its own."""
        self.meter.counts["reconciles"] += 1
        digest = hashlib.sha256(body["data"]["payload"].encode()).hexdigest()
        metadata = {
            "name": name + DERIVED,
            "labels": {ROLE: "derived"},
            "ownerReferences": [owner_reference({**body, "apiVersion": "v1", "kind": "ConfigMap"})],
        }
        child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"digest": digest}}
        assert self._children is not None
        url = f"{self._server}/api/v1/namespaces/{namespace}/configmaps"
        async with self._children.post(url, json=child) as answer:
            answer.raise_for_status()
        patch.metadata.annotations[DIGEST] = digest
        self._progress(name, "")

    async def look(self, type: str | None, meta: kopf.Meta, name: str, **_: Any) -> None:  # noqa: A002 - kopf's name
        """Note how long ago the object changed."""
        now = time.time()
        self.meter.counts["reconciles"] += 1
        self.meter.counts[type or "INITIAL"] += 1
        self.meter.latencies.append(now - float(meta["annotations"][AT]))
        if type == "DELETED":
            self.states.pop(name, None)
        else:
            self._progress(name, meta["resourceVersion"])

    def _progress(self, name: str, version: str) -> None:
        self.states[name] = version
        if len(self.states) >= self._options.objects:
            self.complete.set()

    async def close(self) -> None:
        """Close our own session."""
        if self._children is not None:
            await self._children.close()


async def do_workload(options: Options) -> None:
    """Do the workload as the runner orders it."""
    peer, orders, stop, ready = Peer(options), Orders(), asyncio.Event(), asyncio.Event()
    if options.workload == "sync":
        peer.meter.started()
        say(ready=peer.meter.start_up)
        await orders.wait_for("begin")
        peer.meter.begin()
    where = {"namespaces": [options.namespace]} if options.kubeconfig else {"clusterwide": True}
    operator = asyncio.create_task(
        kopf.operator(registry=peer.registry, settings=peer.settings, stop_flag=stop, ready_flag=ready, **where)
    )
    ticking = None if options.workload in ("bulk", "idle") else asyncio.create_task(peer.meter.watch_loop())
    work = asyncio.create_task(measure(options, peer, orders, ready))
    await asyncio.wait((operator, work), return_when=asyncio.FIRST_COMPLETED)
    if ticking is not None:
        ticking.cancel()
    stop.set()
    await operator
    await work
    await peer.close()


async def measure(options: Options, peer: Peer, orders: Orders, ready: asyncio.Event) -> None:
    """Say when we are ready and done, and at last what was measured."""
    measured = None
    if options.workload == "sync":
        await peer.complete.wait()
        say(done=time.time())
        measured = peer.meter.report()
    else:
        await ready.wait()
        if options.workload != "bulk":
            await peer.complete.wait()
        peer.meter.started()
        say(ready=peer.meter.start_up)
        await orders.wait_for("begin")
        peer.meter.begin()
        if options.workload == "bulk":
            await peer.complete.wait()
            say(done=time.time())
    await orders.wait_for("end")
    say(result=measured or peer.meter.report(), objects=len(peer.states), state=state_digest(peer.states.items()))


def main() -> None:
    """Run the command line."""
    options = parse("The workloads on kopf.")
    logging.basicConfig(level=logging.INFO)
    run(do_workload(options))


if __name__ == "__main__":
    main()
