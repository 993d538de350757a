"""Runs the machines of the local cloud: one supervised `kaito-node` per instance file."""

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kaito.core.clock import Clock, timestamp
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.local.machines.decide import decide, lowest_free_index, node_arguments, pod_cidr
from kaito.local.machines.inotify import FolderWatch
from kaito.local.processes import Child, ChildSpec, Records
from kaito.local.processes.leftovers import containers, end_all
from kaito.provisioner.clouds.local import InstanceFiles, LocalInstance, read_settings

_log = get_logger()

PROCESS_PREFIX = "kaito-node-"
POD_STOP_SECONDS = 75.0
"""From SIGTERM of a node to SIGKILL: the longest grace period of our own pods (60 s) and some."""
RETRY_SECONDS = 5.0
"""After a file or setting that cannot be read."""
HOST_NODE = "kaito-host"
"""The node for pods that ask for no GPU (`kubectl run`), as each cluster has one: no machine of the cloud."""


@dataclass(frozen=True)
class MachineRoomSettings:
    """Where the machines are and what they are told."""

    cloud: Path
    nodes: Path
    logs: Path
    kubeconfig: Path
    cluster_cidr: str = "127.244.0.0/16"
    kubelet_token: str = ""
    """File with the token that the embedded API server shows when it asks a node for logs."""
    kubelet_client_ca: str = ""
    """File with the authority of the certificate that a real API server shows. With neither, logs are not served."""


class MachineRoom:
    """Boots, restarts and takes down the local cloud's machines and the host's own node; idle while no file changes."""

    def __init__(self, settings: MachineRoomSettings, records: Records, clock: Clock) -> None:
        self._settings = settings
        self._records = records
        self._clock = clock
        self._files = InstanceFiles(settings.cloud)
        self._started = clock.now()
        self._host = LocalInstance(
            name=HOST_NODE, provider_id="", instance_type="", zone="", created_at=timestamp(self._started)
        )
        self._children: dict[str, Child] = {}
        self._stopping: dict[str, asyncio.Task[None]] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def names(self) -> list[str]:
        """The machines that run."""
        return sorted(self._children)

    async def run(self) -> None:
        """Follow the instance files until cancelled. Machines keep running: `stop` ends them."""
        self._files.directory.mkdir(parents=True, exist_ok=True)
        watch = FolderWatch(self._files.directory, self._changed.set)
        try:
            while True:
                self._changed.clear()
                await self._wait(self._step())
        finally:
            watch.close()

    async def stop(self) -> None:
        """End all machines and their pods for good; their files stay, so that they boot again with the next `up`."""
        self._closed = True
        names = [name for name in self._children if name not in self._stopping]
        await asyncio.gather(*(self._take_down(name) for name in names), *self._stopping.values())

    def _step(self) -> float | None:
        """Do what the files ask for; return the seconds after which to look again (None: at the next change)."""
        if self._closed:
            return None
        try:
            boot_seconds = read_settings(self._settings.cloud).boot_seconds
            instances = [self._host, *self._files.all()]
        except (KaitoError, ValueError, OSError) as error:
            _log.warning("the local cloud cannot be read", error=str(error))
            return RETRY_SECONDS
        running = [name for name in self._children if name not in self._stopping]
        decision = decide(instances, running, self._stopping, boot_seconds, self._started, self._clock.now())
        for instance in decision.start:
            self._boot(instance)
        for name in decision.stop:
            self._stopping[name] = asyncio.create_task(self._take_down(name))
        for name in decision.remove:
            self._forget(name)
        return decision.look_again

    async def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            await self._changed.wait()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _boot(self, instance: LocalInstance) -> None:
        folder = self._settings.nodes / instance.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        cidr = pod_cidr(self._settings.cluster_cidr, self._index(instance.name))
        spec = ChildSpec(
            name=PROCESS_PREFIX + instance.name,
            argv=node_arguments(
                instance,
                cidr,
                kubeconfig=str(self._settings.kubeconfig),
                folder=str(folder),
                kubelet_token=self._settings.kubelet_token,
                kubelet_client_ca=self._settings.kubelet_client_ca,
            ),
            log=self._settings.logs / f"{PROCESS_PREFIX}{instance.name}.log",
            stop_seconds=POD_STOP_SECONDS,
        )
        child = Child(spec, self._records, self._clock)
        self._children[instance.name] = child
        self._runs[instance.name] = asyncio.create_task(child.keep_running())
        _log.info("machine boots", machine=instance.name, instanceType=instance.instance_type, podCIDR=cidr)

    def _index(self, name: str) -> int:
        """Return the machine's number: the one it had before, else the lowest free one. Kept with the machine."""
        path = self._settings.nodes / name / "machine.json"
        try:
            return int(msgspec.json.decode(path.read_bytes())["index"])
        except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
            index = lowest_free_index(self._taken())
            path.write_bytes(msgspec.json.encode({"index": index}))
            return index

    def _taken(self) -> set[int]:
        taken = set()
        for path in self._settings.nodes.glob("*/machine.json"):
            try:
                taken.add(int(msgspec.json.decode(path.read_bytes())["index"]))
            except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
                continue
        return taken

    async def _take_down(self, name: str) -> None:
        """End the node process, then what is left of its containers."""
        child = self._children[name]
        await child.stop()
        await asyncio.gather(self._runs.pop(name), return_exceptions=True)
        left = dict(containers(self._settings.nodes / name))
        if left:
            await asyncio.to_thread(end_all, left, POD_STOP_SECONDS, time.sleep)
        del self._children[name]
        self._stopping.pop(name, None)
        self._changed.set()
        _log.info("machine is down", machine=name)

    def _forget(self, name: str) -> None:
        shutil.rmtree(self._settings.nodes / name, ignore_errors=True)
        self._files.remove(name)
