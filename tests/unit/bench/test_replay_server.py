"""The replay server answers as a real one does, as far as a client can tell."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from bench.replay import families, recording
from bench.replay.record import record
from bench.replay.server import application
from bench.replay.world import World

from kaito.core import Client, ConflictError, ConnectionSettings, ExpiredError, Key
from kaito.core.kinds import CONFIG_MAP, LEASE, POD


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    server = TestServer(application(world))
    await server.start_server()
    client = await Client.connect(ConnectionSettings(str(server.make_url("")).rstrip("/")), field_manager="test")
    yield client
    await client.close()
    await server.close()


def test_made_up_objects_have_the_sizes_that_the_rows_name() -> None:
    sizes = {name: len(make().render("object-000000", 1, 1.0)) for name, make in families.FAMILIES.items()}
    assert 9_000 < sizes["pods"] < 11_000
    assert 1_000 < sizes["widgets"] < 1_500
    assert 2_000 < sizes["configmaps"] < 3_000


async def test_a_list_comes_in_the_pages_that_were_asked_for(world: World, client: Client) -> None:
    world.generate("pods", 7)
    found = await client.list(POD, limit=3)
    assert [pod["metadata"]["name"] for pod in found.items] == [f"object-{n:06d}" for n in range(7)]
    assert world.requests["LIST /api/v1/pods"] == 3


async def test_a_watch_begins_with_what_happened_since_its_version(world: World, client: Client) -> None:
    world.generate("pods", 2)
    pods = world.collections["/api/v1/pods"]
    version = str(pods.version)
    pods.touch("object-000001")
    watch = client.watch(POD, resource_version=version)
    event = await anext(watch)
    await watch.aclose()
    assert (event.type, event.object["metadata"]["name"]) == ("MODIFIED", "object-000001")


async def test_a_version_from_before_a_storm_has_expired(world: World, client: Client) -> None:
    world.generate("pods", 2)
    version = str(world.collections["/api/v1/pods"].version)
    world.storm(0)
    with pytest.raises(ExpiredError):
        await anext(client.watch(POD, resource_version=version))


async def test_a_lease_is_replaced_under_its_version_only(client: Client) -> None:
    made = await client.create(
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": "default"}}
    )
    await client.update(made)
    with pytest.raises(ConflictError):
        await client.update(made)
    assert (await client.get(LEASE, Key("default", "l")))["metadata"]["resourceVersion"] > made["metadata"][
        "resourceVersion"
    ]


async def test_other_writes_are_counted_and_change_nothing(world: World, client: Client) -> None:
    world.generate("configmaps", 1)
    await client.patch(CONFIG_MAP, Key("default", "object-000000"), {"data": {"payload": "other"}})
    found = await client.get(CONFIG_MAP, Key("default", "object-000000"))
    assert found["data"]["payload"] == families.payload("object-000000", 2048)
    assert world.requests["PATCH /api/v1/configmaps"] == 1


async def test_a_recording_is_served_as_it_was(world: World, client: Client, tmp_path: Path) -> None:
    world.generate("pods", 3)
    output = BytesIO()
    await record(client, [POD], output, 0.2)
    file = tmp_path / "pods.jsonl"
    file.write_bytes(output.getvalue())
    again = World()
    for line in recording.read(file):
        recording.load(again, line)
    served = again.collections["/api/v1/pods"]
    assert list(served.items) == list(world.collections["/api/v1/pods"].items)
