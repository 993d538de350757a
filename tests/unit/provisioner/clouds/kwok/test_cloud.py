"""Machines on a cloud without machines, against the embedded API server."""

import asyncio
from datetime import UTC, datetime

import pytest

from kaito.api.crd import crds
from kaito.api.machine import MACHINE, MACHINE_RESOURCE
from kaito.apiserver import EmbeddedServer
from kaito.core import Client, ConnectionLostError, Key, Kind, Manager
from kaito.core.kinds import NODE, POD
from kaito.local.controllers.nodelifecycle.reconciler import node_lifecycle_controller
from kaito.provisioner import Limits, ProvisionerOptions, machine_controller
from kaito.provisioner.clouds import Claim, CloudUnavailableError, InstanceNotFoundError
from kaito.provisioner.clouds.kwok import KwokCloud
from kaito.testing import VirtualClock

SKU = "Standard_NC6s_v3"
RAW_MACHINE = Kind(MACHINE.api_version, MACHINE.kind, dict, "machines", False)
CLAIM = Claim("ws1", (SKU,))


@pytest.fixture
async def client():
    async with EmbeddedServer.start() as server:
        connected = await Client.connect(server.connection_settings, field_manager="test")
        connected.settings = server.connection_settings
        for crd in crds([MACHINE_RESOURCE]):
            await connected.create(crd)
        yield connected
        await connected.close()


@pytest.fixture
def clock():
    return VirtualClock(datetime.now(UTC))


@pytest.fixture
def cloud(client, clock):
    return KwokCloud(client, clock)


async def test_a_claim_is_met_once_and_what_was_made_is_found_by_another_replica(client, cloud, clock):
    made = await cloud.create(CLAIM)
    assert await cloud.create(CLAIM) == made
    other = KwokCloud(client, clock)
    assert await other.get("ws1") == made
    assert [one.name for one in await other.list()] == ["ws1"]
    assert cloud.owns(made.provider_id)


async def test_a_deleted_instance_is_gone_though_a_finalizer_holds_its_node(client, cloud):
    await cloud.create(CLAIM)
    await client.patch(NODE, Key("", "ws1"), {"metadata": {"finalizers": ["karpenter.sh/termination"]}})
    await cloud.delete("ws1")
    for ask in (cloud.get, cloud.delete):
        with pytest.raises(InstanceNotFoundError):
            await ask("ws1")
    assert await cloud.list() == []
    with pytest.raises(CloudUnavailableError) as refused:
        await cloud.create(CLAIM)
    assert refused.value.retry_after


async def test_a_node_of_another_is_never_taken_for_an_instance(client, cloud):
    await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "ws1"}})
    with pytest.raises(CloudUnavailableError):
        await cloud.create(CLAIM)
    with pytest.raises(InstanceNotFoundError):
        await cloud.delete("ws1")


async def test_nodes_are_kept_alive_and_deleted_pods_are_let_go(client, cloud, clock):
    await cloud.create(CLAIM)
    lost = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
    await client.patch(
        NODE, Key("", "ws1"), {"status": {"conditions": [lost]}}, patch_type="strategic", subresource="status"
    )
    for name in ("stays", "goes"):
        metadata = {"name": name, "namespace": "default"}
        spec = {"nodeName": "ws1", "containers": [{"name": "c", "image": "i"}]}
        await client.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    await client.delete(POD, Key("default", "goes"))
    (node,) = await cloud._nodes()
    await cloud._play_kubelet(node)
    (ready,) = (await client.get(NODE, Key("", "ws1")))["status"]["conditions"]
    assert ready["status"] == "True"
    assert [pod["metadata"]["name"] for pod in (await client.list(POD)).items] == ["stays"]


async def test_an_api_server_out_of_reach_is_a_cloud_out_of_reach(cloud):
    async def lost(*_arguments, **_options):
        raise ConnectionLostError("no route")

    cloud._client = type("Lost", (), {"list": lost, "create": lost})()
    for ask in (lambda: cloud.create(CLAIM), lambda: cloud.get("ws1"), cloud.list):
        with pytest.raises(CloudUnavailableError):
            await ask()


async def test_a_machine_becomes_a_ready_node_and_goes_again(client, new_machine):
    async def gone():
        while (await client.list(RAW_MACHINE)).items or (await client.list(NODE)).items:  # noqa: ASYNC110 - real sockets
            await asyncio.sleep(0.05)

    async def ready():
        while True:
            found = await client.get(RAW_MACHINE, Key("", "ws1"))
            conditions = {one["type"]: one["status"] for one in (found.get("status") or {}).get("conditions", [])}
            if conditions.get("Ready") == "True":
                return
            await asyncio.sleep(0.05)

    async with Manager.connect("kaito-provisioner", settings=client.settings) as manager:
        manager.add(machine_controller(manager, ProvisionerOptions("kwok", None, Limits(drain_poll=0.05))))
        manager.add(node_lifecycle_controller(manager))  # takes the taint of a new node away
        await manager.start()
        await client.create(new_machine())
        await asyncio.wait_for(ready(), 20)
        await client.delete(MACHINE, Key("", "ws1"))
        await asyncio.wait_for(gone(), 20)
