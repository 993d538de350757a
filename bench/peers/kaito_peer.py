"""The workloads on kaito.core: python -m bench.peers.kaito_peer --workload noop --server http://127.0.0.1:8001."""

import asyncio
import hashlib
import time
from typing import Any, Final

from bench.peers.meter import Meter
from bench.peers.orders import Options, Orders, parse, say
from bench.replay.families import AT, DERIVED, DIGEST, ROLE
from bench.replay.world import state_digest
from bench.replay.writes import WRITER
from kaito.core import (
    DONE,
    CacheEntry,
    ConnectionSettings,
    Controller,
    Event,
    Key,
    Kind,
    Manager,
    Result,
    configure_logging,
    load_connection,
    owner_reference,
    run,
)
from kaito.core.kinds import CONFIG_MAP, POD

WIDGET: Final = Kind[dict[str, Any]]("bench.example.com/v1", "Widget", dict, "widgets", True)
KINDS: Final = {"steady": WIDGET, "storm": WIDGET, "sync": POD, "idle": POD, "lead": CONFIG_MAP}
LEASE_NAMESPACE: Final = "default"


def is_primary(event: Event) -> bool:
    """Leave out owned objects."""
    return event.entry.metadata.labels.get(ROLE) == "primary"


class Progress:
    """Which primary objects have been seen to, and a signal when it is all of them."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._keys: set[Key] = set()
        self.complete = asyncio.Event()

    def add(self, key: Key) -> None:
        """Note one."""
        self._keys.add(key)
        if len(self._keys) >= self._wanted:
            self.complete.set()

    def restart(self) -> None:
        """Forget them all."""
        self._keys.clear()
        self.complete.clear()


class Bulk:
    """An owned ConfigMap and an annotation for each primary; without anything to do it is the no-op workload."""

    def __init__(self, manager: Manager, meter: Meter, progress: Progress) -> None:
        self._client, self._cache = manager.client, manager.cache
        self._meter, self._progress = meter, progress

    async def reconcile(self, key: Key) -> Result:
        """Two reads of the cache, a sha256, three comparisons; what is missing is written."""
        self._meter.counts["reconciles"] += 1
        primary = self._cache.get(CONFIG_MAP, key)
        if primary is None or primary["metadata"]["labels"].get(ROLE) != "primary":
            return DONE
        digest = hashlib.sha256(primary["data"]["payload"].encode()).hexdigest()
        name = key.name + DERIVED
        derived = self._cache.get(CONFIG_MAP, Key(key.namespace, name))
        if derived is None:
            metadata = {
                "name": name,
                "namespace": key.namespace,
                "labels": {ROLE: "derived"},
                "ownerReferences": [owner_reference(primary)],
            }
            await self._client.create(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"digest": digest}}
            )
        elif derived["data"].get("digest") != digest:
            self._meter.counts["differences"] += 1
        if primary["metadata"].get("annotations", {}).get(DIGEST) != digest:
            await self._client.patch(CONFIG_MAP, key, {"metadata": {"annotations": {DIGEST: digest}}})
        self._progress.add(key)
        return DONE


class Look:
    """Reads the object, notes how long ago it changed, writes nothing."""

    def __init__(self, kind: Kind[Any], manager: Manager, meter: Meter, progress: Progress) -> None:
        self._kind, self._cache = kind, manager.cache
        self._meter, self._progress = meter, progress

    async def reconcile(self, key: Key) -> Result:
        """Read one object."""
        now = time.time()
        self._meter.counts["reconciles"] += 1
        obj = self._cache.get(self._kind, key)
        if obj is not None:
            self._meter.latencies.append(now - float(obj["metadata"]["annotations"][AT]))
        self._progress.add(key)
        return DONE


async def lead(manager: Manager, options: Options) -> None:
    """Write under our own name ten times a second, for as long as we lead."""
    patch = {"metadata": {"annotations": {WRITER: options.name}}}
    while True:
        await manager.client.patch(CONFIG_MAP, Key("default", "object-000000"), patch)
        await asyncio.sleep(0.1)


def add_controller(manager: Manager, options: Options, meter: Meter, progress: Progress) -> Controller:
    """Add the workload's controller to the manager."""
    if options.workload in ("bulk", "noop"):
        manager.caching(CONFIG_MAP, namespace=options.namespace if options.kubeconfig else None)
        controller = Controller("bench", Bulk(manager, meter, progress), workers=options.workers)
        controller.watching(CONFIG_MAP, when=is_primary).owning(CONFIG_MAP)
        kind = CONFIG_MAP
    else:
        kind = KINDS[options.workload]
        controller = Controller("bench", Look(kind, manager, meter, progress), workers=options.workers)
        controller.watching(kind)

    def count(event: Event) -> None:
        meter.counts[event.type] += 1

    manager.cache.subscribe(kind, count)
    manager.add(controller)
    return controller


def primaries(manager: Manager, kind: Kind[Any]) -> list[CacheEntry[Any]]:
    """Return the objects that are reconciled."""
    return manager.cache.entries(kind, labels={ROLE: "primary"})


async def do_workload(options: Options) -> None:
    """Do the workload as the runner orders it."""
    meter, progress, orders = Meter(), Progress(options.objects), Orders()
    settings = load_connection(options.kubeconfig) if options.kubeconfig else ConnectionSettings(options.server)
    async with Manager.connect("bench-kaito", settings=settings) as manager:
        controller = add_controller(manager, options, meter, progress)
        if options.workload in ("idle", "lead"):
            manager.elect(LEASE_NAMESPACE)
        if options.workload == "lead":
            manager.add_runnable(lambda: lead(manager, options))
        if options.workload == "sync":
            meter.started()
            say(ready=meter.start_up)
            await orders.wait_for("begin")
            meter.begin()
        running = asyncio.create_task(manager.run())
        ticking = None if options.workload in ("bulk", "idle", "lead") else asyncio.create_task(meter.watch_loop())
        work = asyncio.create_task(measure(options, manager, controller, meter, progress, orders))
        await asyncio.wait((running, work), return_when=asyncio.FIRST_COMPLETED)
        if ticking is not None:
            ticking.cancel()
        work.cancel()
        await manager.stop()
        await running
        if work.done() and not work.cancelled():
            work.result()


async def measure(
    options: Options, manager: Manager, controller: Controller, meter: Meter, progress: Progress, orders: Orders
) -> None:
    """Say when we are ready and done, and at last what was measured."""
    kind = KINDS.get(options.workload, CONFIG_MAP)
    if options.workload == "sync":
        await progress.complete.wait()
        say(done=time.time())
    else:
        await manager.cache.wait_for_sync()
        if options.workload not in ("bulk", "lead"):
            await progress.complete.wait()
        meter.started()
        say(ready=meter.start_up)
        await orders.wait_for("begin")
        meter.begin()
        if options.workload == "noop":
            progress.restart()
            for entry in primaries(manager, kind):
                controller.enqueue(entry.key)
        if options.workload in ("bulk", "noop"):
            await progress.complete.wait()
            say(done=time.time())
    measured = meter.report() if options.workload in ("noop", "sync") else None
    await orders.wait_for("end")
    measured = measured or meter.report()
    state = state_digest((e.key.name, e.metadata.resource_version) for e in manager.cache.entries(kind))
    say(result=measured, objects=len(manager.cache.entries(kind)), state=state)


def main() -> None:
    """Run the command line."""
    options = parse(__doc__)
    configure_logging("info")
    run(do_workload(options))


if __name__ == "__main__":
    main()
