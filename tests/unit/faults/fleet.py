"""The machine room and the kubelets of the simulated cluster: instances become Nodes, pods on them run."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from kaito.core import Client, Key, Object
from kaito.core.clock import Clock, timestamp
from kaito.core.errors import AlreadyExistsError, ConflictError, NotFoundError
from kaito.core.kinds import NODE, POD
from kaito.local.controllers.scheduler.taints import NOT_READY
from kaito.provisioner.clouds.cloud import Claim, Instance
from kaito.provisioner.clouds.local import InstanceFiles, LocalCloud, LocalInstance
from kaito.testing import InProcessServer, Luck

BOOT_SECONDS = 1.0
POD_SECONDS = 2.0
"""From a pod's binding until it is Ready."""
STOP_SECONDS = 0.5
UNHEARD_SECONDS = 40.0


class CountedFiles(InstanceFiles):
    """Instance files that remember every one that was ever bought."""

    def __init__(self, cloud_directory: Path) -> None:
        super().__init__(cloud_directory)
        self.bought: list[str] = []
        self.changed = asyncio.Event()

    def create(self, instance: LocalInstance) -> bool:
        new = super().create(instance)
        if new:
            self.bought.append(instance.name)
        self.changed.set()
        return new

    def mark_terminating(self, name: str) -> bool:
        found = super().mark_terminating(name)
        self.changed.set()
        return found


class LuckyCloud(LocalCloud):
    """The local cloud on counted files; what changes it is counted with the writes of the process that asks."""

    def __init__(self, files: CountedFiles, clock: Clock, luck: Luck) -> None:
        super().__init__(files.directory.parent, clock)
        self._instances = files
        self._luck = luck

    async def create(self, claim: Claim) -> Instance:
        buy = super().create
        return await self._luck.write(f"cloud create {claim.name}", lambda: buy(claim))

    async def delete(self, name: str) -> None:
        end = super().delete
        await self._luck.write(f"cloud delete {name}", lambda: end(name))


class Fleet:
    """Boots a Node for each instance file and runs the pods that are bound to it. Woken by changes only."""

    def __init__(self, server: InProcessServer, client: Client, files: CountedFiles, clock: Clock) -> None:
        self._store, self._client, self._files, self._clock = server.store, client, files, clock
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        pods, nodes = self._store.watch("pods"), self._store.watch("nodes")
        while True:
            pods.drain(), nodes.drain(), self._files.changed.clear()
            self._step()
            waits = [asyncio.ensure_future(one) for one in (pods.wait(), nodes.wait(), self._files.changed.wait())]
            waits += [asyncio.ensure_future(asyncio.wait(self._busy.values()))] if self._busy else []
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            self._busy = {name: task for name, task in self._busy.items() if not task.done() or task.result()}

    def _step(self) -> None:
        up = set()
        for instance in self._files.all():
            if instance.state == "terminating":
                self._once(f"down {instance.name}", self._take_down(instance.name))
            else:
                up.add(instance.name)
                if self._store.get("nodes", Key("", instance.name)) is None:
                    self._once(f"boot {instance.name}", self._boot(instance))
        for node in self._store.objects("nodes"):
            if node["metadata"]["name"] not in up and self._seems_ready(node):
                self._once(f"lost {node['metadata']['uid']}", self._lose(node["metadata"]))
        for pod in self._store.objects("pods"):
            if pod["spec"].get("nodeName") not in up:
                continue
            if pod["metadata"].get("deletionTimestamp"):
                self._once(f"stop {pod['metadata']['uid']}", self._stop_pod(pod))
            elif pod.get("status", {}).get("phase") != "Running":
                self._once(f"start {pod['metadata']['uid']}", self._start_pod(pod))

    def _seems_ready(self, node: Object) -> bool:
        return any(one["status"] == "True" for one in node.get("status", {}).get("conditions", ()))

    async def _lose(self, metadata: Object) -> None:
        """Do what the node lifecycle controller does when a kubelet is heard no more."""
        await self._clock.sleep(UNHEARD_SECONDS)
        unknown = {**self._true("Ready", "NodeStatusUnknown"), "status": "Unknown"}
        body = {"metadata": {"uid": metadata["uid"]}, "status": {"conditions": [unknown]}}
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._client.patch(NODE, Key("", metadata["name"]), body, subresource="status")

    def _once(self, name: str, work: Any) -> None:
        if name in self._busy:
            work.close()
        else:
            self._busy[name] = asyncio.create_task(work)

    async def _boot(self, instance: LocalInstance) -> None:
        await self._clock.sleep(BOOT_SECONDS)
        found = self._files.read(instance.name)
        if found is None or found.state == "terminating":
            return
        taints = [{"key": one.key, "value": one.value or "", "effect": one.effect} for one in instance.taints]
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": instance.name, "labels": {**instance.labels, "kubernetes.io/hostname": instance.name}},
            "spec": {"providerID": instance.provider_id, "taints": taints},
        }
        try:
            await self._client.create(node)
        except AlreadyExistsError:
            return
        status = {
            "capacity": instance.capacity,
            "allocatable": instance.capacity,
            "conditions": [self._true("Ready", "KubeletReady")],
        }
        await self._client.patch(NODE, Key("", instance.name), {"status": status}, subresource="status")
        await self._untaint(Key("", instance.name))

    async def _untaint(self, key: Key) -> None:
        """Do what the node lifecycle controller does when a kubelet is ready: the API server tainted its new node."""
        with contextlib.suppress(NotFoundError):
            while True:
                node = await self._client.get(NODE, key)
                taints = [one for one in node["spec"].get("taints") or () if one["key"] != NOT_READY]
                version = {"resourceVersion": node["metadata"]["resourceVersion"]}
                with contextlib.suppress(ConflictError):
                    await self._client.patch(NODE, key, {"metadata": version, "spec": {"taints": taints}})
                    return

    async def _take_down(self, name: str) -> None:
        await self._clock.sleep(STOP_SECONDS)
        self._files.remove(name)

    async def _start_pod(self, pod: Object) -> None:
        await self._clock.sleep(POD_SECONDS)
        name = pod["spec"]["containers"][0]["name"]
        running = {"name": name, "ready": True, "state": {"running": {"startedAt": timestamp(self._clock.now())}}}
        status = {
            "phase": "Running",
            "podIP": "127.244.1.2",
            "containerStatuses": [{**running, "image": "x", "imageID": "x", "restartCount": 0}],
            "conditions": [self._true(one, "") for one in ("Ready", "ContainersReady", "Initialized")],
        }
        await self._write_pod(pod, status)

    async def _write_pod(self, pod: Object, status: Object) -> None:
        metadata = pod["metadata"]
        body = {"metadata": {"uid": metadata["uid"]}, "status": status}
        key = Key(metadata["namespace"], metadata["name"])
        try:
            await self._client.patch(POD, key, body, subresource="status", patch_type="strategic")
        except NotFoundError:
            return

    async def _stop_pod(self, pod: Object) -> None:
        await self._clock.sleep(STOP_SECONDS)
        metadata = pod["metadata"]
        try:
            key = Key(metadata["namespace"], metadata["name"])
            await self._client.delete(POD, key, uid=metadata["uid"], grace_period_seconds=0)
        except NotFoundError:
            return

    def _true(self, condition: str, reason: str) -> Object:
        moment = timestamp(self._clock.now())
        return {"type": condition, "status": "True", "reason": reason, "lastTransitionTime": moment}
