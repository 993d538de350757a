"""The whole controller against the embedded API server, real time, no delays in the cloud."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kaito.api.crd import crds
from kaito.api.machine import MACHINE, MACHINE_RESOURCE
from kaito.apiserver import EmbeddedServer
from kaito.core import Client, ConflictError, Key, Manager, NotFoundError, Object
from kaito.core.kinds import CUSTOM_RESOURCE_DEFINITION, EVENT, NODE, POD
from kaito.local.controllers.scheduler.taints import NOT_READY
from kaito.provisioner import Limits, ProvisionerOptions, machine_controller
from kaito.provisioner.clouds.local import InstanceFiles

PATIENCE = 20.0
RAW_MACHINE = type(NODE)(MACHINE.api_version, MACHINE.kind, dict, "machines", False)


class Site:
    """An API server with the Machine CRD, a client on it, and the files of a local cloud."""

    def __init__(self, server: EmbeddedServer, client: Client, cloud: Path) -> None:
        self.server, self.client, self.cloud = server, client, cloud
        self.instances = InstanceFiles(cloud)

    @asynccontextmanager
    async def provisioner(self, **limits: float) -> AsyncIterator[Manager]:
        connected = Manager.connect("kaito-provisioner", settings=self.server.connection_settings)
        async with connected as manager:
            options = ProvisionerOptions("local", self.cloud, Limits(**{"cloud_poll": 0.05, **limits}))
            manager.add(machine_controller(manager, options))
            await manager.start()
            yield manager

    async def until(self, kind: Any, name: str, holds: Callable[[Object | None], Any]) -> Object | None:
        """Return the object as soon as `holds` is true of it; None stands for no object."""
        fields = f"metadata.name={name}"
        async with asyncio.timeout(PATIENCE):
            listed = await self.client.list(kind, fields=fields)
            if holds(first := next(iter(listed.items), None)):
                return first
            async for event in self.client.watch(kind, fields=fields, resource_version=listed.resource_version):
                found = None if event.type == "DELETED" else event.object
                if event.type != "BOOKMARK" and holds(found):
                    return found
        raise AssertionError("the watch ended")

    async def launched(self, name: str = "ws1") -> None:
        await self.until(RAW_MACHINE, name, says("MachineLaunched", "True"))

    async def boot(self, new_node: Callable[..., Object], name: str = "ws1") -> None:
        """Do what kaito-node does: create the Node, then report on it; and what the node lifecycle controller does."""
        node, key = new_node(name), Key("", name)
        await self.client.create({**node, "status": {}})
        await self.client.patch(NODE, key, {"status": node["status"]}, subresource="status")
        while True:
            found = await self.client.get(NODE, key)
            taints = [taint for taint in found["spec"].get("taints") or () if taint["key"] != NOT_READY]
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            with contextlib.suppress(ConflictError):
                await self.client.patch(NODE, key, {"metadata": version, "spec": {"taints": taints}})
                return


def says(condition: str, status: str, reason: str = "") -> Callable[[Object | None], bool]:
    def holds(obj: Object | None) -> bool:
        conditions = (obj or {}).get("status", {}).get("conditions", [])
        return any(
            one["type"] == condition and one["status"] == status and reason in one["reason"] for one in conditions
        )

    return holds


def is_decided(obj: Object | None) -> bool:
    return says("MachineLaunched", "True")(obj) or says("MachineLaunched", "False")(obj)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with EmbeddedServer.start() as server:
        client = await Client.connect(server.connection_settings, field_manager="test")
        for crd in crds([MACHINE_RESOURCE]):
            await client.create(crd)
        cloud = tmp_path / "cloud"
        cloud.mkdir()
        (cloud / "cloud.yaml").write_text("{launch_seconds: 0, boot_seconds: 0}")
        site = Site(server, client, cloud)
        await site.until(CUSTOM_RESOURCE_DEFINITION, "machines.karpenter.sh", says("Established", "True"))
        yield site
        await client.close()


async def test_a_machine_becomes_a_node_and_goes_again(
    site: Site, new_machine: Callable[..., Object], new_node: Callable[..., Object]
) -> None:
    async with site.provisioner(drain_poll=0.05):
        await site.client.create(new_machine())
        await site.launched()
        await site.boot(new_node)
        ready = await site.until(RAW_MACHINE, "ws1", says("Ready", "True"))
        assert ready is not None
        assert ready["status"]["nodeName"] == "ws1"
        node = await site.client.get(NODE, Key("", "ws1"))
        assert node["metadata"]["labels"]["kaito.sh/workspace"] == "phi"
        assert node["metadata"]["finalizers"] == ["karpenter.sh/termination"]
        assert {taint["key"] for taint in node["spec"]["taints"]} == {"sku"}

        await site.client.delete(MACHINE, Key("", "ws1"))
        await site.until(RAW_MACHINE, "ws1", says("Ready", "False", "InstanceTerminating"))
        await asyncio.to_thread(gone_when_terminating, site.instances, "ws1")
        await site.until(RAW_MACHINE, "ws1", lambda found: found is None)
        with pytest.raises(NotFoundError):
            await site.client.get(NODE, Key("", "ws1"))
    reasons = {(event["involvedObject"]["kind"], event["reason"]) for event in (await site.client.list(EVENT)).items}
    assert {("Machine", "Launched"), ("Machine", "Registered"), ("Node", "Initialized")} <= reasons
    assert ("Machine", "DisruptionTerminating") in reasons


async def test_a_pod_is_evicted_before_its_node_goes(
    site: Site, new_machine: Callable[..., Object], new_node: Callable[..., Object]
) -> None:
    async with site.provisioner(drain_poll=0.05):
        await site.client.create(new_machine())
        await site.launched()
        await site.boot(new_node)
        await site.until(RAW_MACHINE, "ws1", says("Ready", "True"))
        container = {"name": "web", "image": "web"}
        spec = {"nodeName": "ws1", "containers": [container], "terminationGracePeriodSeconds": 30}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
        await site.client.create(pod)
        await site.client.delete(MACHINE, Key("", "ws1"))
        await site.until(POD, "web", lambda found: found is None or found["metadata"].get("deletionTimestamp"))
        node = await site.client.get(NODE, Key("", "ws1"))
        assert node["spec"]["unschedulable"] is True
        await site.client.delete(POD, Key("default", "web"), grace_period_seconds=0)
        await site.until(RAW_MACHINE, "ws1", says("Ready", "False", "InstanceTerminating"))


async def test_out_of_quota_goes_on_by_itself_when_the_file_is_mended(
    site: Site, new_machine: Callable[..., Object]
) -> None:
    settings = site.cloud / "cloud.yaml"
    settings.write_text("{launch_seconds: 0, quota: {Standard_NC6s_v3: 0}}")
    async with site.provisioner():
        await site.client.create(new_machine())
        await site.until(RAW_MACHINE, "ws1", says("MachineLaunched", "False", "QuotaExceeded"))
        settings.write_text("{launch_seconds: 0}")
        await site.launched()


async def test_two_machines_under_a_quota_of_one_get_one_instance_and_the_other_follows(
    site: Site, new_machine: Callable[..., Object]
) -> None:
    (site.cloud / "cloud.yaml").write_text("{launch_seconds: 0, quota: {Standard_NC6s_v3: 1}}")
    async with site.provisioner():
        await asyncio.gather(site.client.create(new_machine("ws1")), site.client.create(new_machine("ws2")))
        for name in ("ws1", "ws2"):
            await site.until(RAW_MACHINE, name, is_decided)
        winner = site.instances.names()
        assert len(winner) == 1
        loser = "ws2" if winner == ["ws1"] else "ws1"
        await site.until(RAW_MACHINE, loser, says("MachineLaunched", "False", "QuotaExceeded"))
        site.instances.remove(winner[0])
        await site.launched(loser)


async def test_a_restart_adopts_what_is_there_and_removes_what_nobody_claims(
    site: Site, new_machine: Callable[..., Object]
) -> None:
    async with site.provisioner():
        await site.client.create(new_machine())
        await site.launched()
    before = site.instances.read("ws1")
    assert before is not None
    orphan = before.model_copy(update={"name": "orphan", "created_at": "2026-01-02T03:00:00Z"})
    site.instances.create(orphan)
    async with site.provisioner():
        await asyncio.to_thread(gone_when_terminating, site.instances, "orphan")
    assert site.instances.read("ws1") == before


def gone_when_terminating(instances: InstanceFiles, name: str) -> None:
    """Play the machine room: wait for the mark, then remove the file."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = instances.read(name)
        if found is not None and found.state == "terminating":
            instances.remove(name)
            return
        time.sleep(0.01)
    raise AssertionError(f"{name} was not asked to terminate")


def test_the_crd_is_generated() -> None:
    (crd,) = crds([MACHINE_RESOURCE])
    assert crd["metadata"]["name"] == "machines.karpenter.sh"
    assert crd["spec"]["scope"] == "Cluster"
