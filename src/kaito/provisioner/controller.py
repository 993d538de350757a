"""Wires the MachineReconciler to a manager: what is watched, what is indexed, what runs beside it."""

from collections.abc import Iterable
from typing import Final

import msgspec

from kaito.api.machine import MACHINE
from kaito.core import Controller, Event, KaitoError, Key, Manager
from kaito.core.logs import get_logger
from kaito.provisioner.act import Writer
from kaito.provisioner.clouds import Cloud
from kaito.provisioner.clouds.kwok import KwokCloud
from kaito.provisioner.garbage import GarbageCollector
from kaito.provisioner.metrics import MeteredCloud, ProvisionerMetrics
from kaito.provisioner.node import NODE
from kaito.provisioner.options import ProvisionerOptions, make_cloud
from kaito.provisioner.reconciler import PROVIDER_ID_INDEX, MachineReconciler

log = get_logger()

WORKERS: Final = 32
"""Machines that are worked on at a time: a create may wait for the cloud, and must not hold up the others."""
TIMEOUT_MARGIN: Final = 60.0
"""Seconds that a reconcile may take beyond the longest create."""


class _ProviderId(msgspec.Struct, frozen=True, rename={"provider_id": "providerID"}):
    provider_id: str = ""


class _Object(msgspec.Struct):
    spec: _ProviderId = _ProviderId()
    status: _ProviderId = _ProviderId()


_decode = msgspec.json.Decoder(_Object).decode


def machine_controller(manager: Manager, options: ProvisionerOptions, *, cloud: Cloud | None = None) -> Controller:
    """Return the controller of Machines, and let the manager run what looks for leaks and for changes of the cloud.

    `cloud` takes the place of the one that the options name.
    """
    limits = options.limits
    metrics = ProvisionerMetrics(manager.registry)
    chosen = cloud or make_cloud(options, manager.clock, manager.client)
    if isinstance(chosen, KwokCloud):
        manager.add_runnable(chosen.play_kubelets)
    cloud = MeteredCloud(chosen, metrics, manager.clock)
    reconciler = MachineReconciler(
        manager.cache,
        manager.client,
        cloud,
        clock=manager.clock,
        events=manager.events,
        metrics=metrics,
        limits=limits,
    )
    manager.cache.add_index(NODE, PROVIDER_ID_INDEX, lambda entry: _values(_decode(entry.raw).spec.provider_id))
    manager.cache.add_index(MACHINE, PROVIDER_ID_INDEX, lambda entry: _values(_decode(entry.raw).status.provider_id))

    def machines_of_node(event: Event) -> Iterable[Key]:
        ids = {_decode(entry.raw).spec.provider_id for entry in (event.old, event.new) if entry is not None}
        return [entry.key for one in ids if one for entry in manager.cache.by_index(MACHINE, PROVIDER_ID_INDEX, one)]

    controller = (
        Controller("machine", reconciler, workers=WORKERS, timeout=limits.launch + TIMEOUT_MARGIN)
        .watching(MACHINE)
        .watching(NODE, to=machines_of_node)
    )

    def suspect(name: str) -> None:
        reconciler.suspect(name)
        controller.enqueue(Key("", name))

    async def follow_cloud() -> None:
        while True:
            await manager.clock.sleep(limits.cloud_poll)
            if not reconciler.tries:
                continue
            try:
                changed = reconciler.tries.changed(cloud.revision())
            except KaitoError as error:
                log.warning("the cloud cannot be followed", reason=error.reason, error=error.message)
                continue
            for name in changed:
                controller.enqueue(Key("", name))

    collector = GarbageCollector(
        manager.cache, cloud, Writer(manager.client, manager.events, metrics), manager.clock, limits
    )
    manager.add_runnable(lambda: collector.run(suspect))
    manager.add_runnable(follow_cloud)
    return controller


def _values(provider_id: str) -> Iterable[str]:
    return (provider_id,) if provider_id else ()
