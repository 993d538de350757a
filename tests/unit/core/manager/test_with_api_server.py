"""Controllers against the embedded API server: what the rules of writing are worth with real field ownership."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.core import APPLIED_ANNOTATION, DONE, AlreadyExistsError, Client, ConflictError, Controller, Key, Manager
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT, NODE, SERVICE
from kaito.local.ports import free_port

KEY = Key("default", "web")
PARENT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "default"}, "data": {}}


def deployment(parent):
    labels = {"app": "web"}
    container = {
        "name": "c",
        "image": parent.get("data", {}).get("image", "nginx"),
        "resources": {"limits": {"cpu": "0.5", "memory": "1024Mi"}},
        "ports": [{"containerPort": 80}],
        "env": [{"name": "EMPTY", "value": ""}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"hostNetwork": False, "containers": [container], "volumes": [{"name": "v", "emptyDir": {}}]},
            },
        },
    }


class Web:
    """A Deployment, a Service and a Node that is bought once, per ConfigMap `web`."""

    def __init__(self, manager):
        self.manager, self.runs, self.bought = manager, 0, 0

    async def reconcile(self, key):
        cache, client = self.manager.cache, self.manager.client
        parent = cache.get(CONFIG_MAP, key)
        if parent is None or key != KEY:
            return DONE
        if cache.get(NODE, Key("", "bought")) is None:
            await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bought"}})
            self.bought += 1
        await client.apply(deployment(parent), owner=parent)
        ports = [{"name": "http", "port": 80, "targetPort": 5000}]
        service = {"selector": {"app": "web"}, "ports": ports}
        metadata = {"name": "web", "namespace": "default"}
        await client.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service}, owner=parent)
        status = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bought"}, "status": {"phase": "Running"}}
        await client.apply(status, subresource="status")
        self.runs += 1
        return DONE


@pytest.fixture
async def user(server):
    client = await Client.connect(server.connection_settings, field_manager="user")
    yield client
    await client.close()


@pytest.fixture
async def web(server, user):
    await user.create(PARENT)
    async with Manager.connect("web", settings=server.connection_settings) as manager:
        reconciler = Web(manager)
        controller = Controller("web", reconciler).watching(CONFIG_MAP).owning(DEPLOYMENT).owning(SERVICE)
        manager.add(controller.watching(NODE, to=lambda _event: [KEY]))
        reconciler.again = controller.enqueue
        await manager.start()
        yield reconciler


def writes(web):
    """Count the requests that the manager made to change something."""
    registry = web.manager.registry
    samples = [sample for family in registry.collect() for sample in family.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name == "rest_client_requests_total" and sample.labels["method"] != "GET"
    )


async def quiet(web, until):
    """Wait for the echoes of our own writes to be reconciled; returns the writes so far."""
    await until(lambda: web.runs)
    count = -1
    while count != writes(web):
        count, runs = writes(web), web.runs
        web.again(KEY)
        await until(lambda runs=runs: web.runs > runs)
    return count


async def test_a_second_reconcile_makes_no_write(web, until):
    count = await quiet(web, until)
    assert count == 4  # one create, two applies, one status
    for _ in range(3):
        runs = web.runs
        web.again(KEY)
        await until(lambda runs=runs: web.runs > runs)
    assert writes(web) == count
    assert web.bought == 1


async def test_the_edit_of_another_is_corrected_and_a_field_no_longer_desired_is_removed(web, user, until):
    await quiet(web, until)
    body = {"spec": {"replicas": 3, "minReadySeconds": 7}}
    await user.patch(DEPLOYMENT, KEY, body)

    async def spec():
        return (await user.get(DEPLOYMENT, KEY))["spec"]

    async with asyncio.timeout(5):
        while (await spec())["replicas"] != 1:
            pass
    assert (await spec())["minReadySeconds"] == 7  # theirs, and we do not care
    assert (await user.get(DEPLOYMENT, KEY))["metadata"]["annotations"][APPLIED_ANNOTATION]


async def test_apply_with_a_uid_never_makes_a_new_object(user):
    for metadata in ({"name": "web2", "uid": "gone"}, {"name": "default", "uid": "wrong"}):
        wanted = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**metadata, "namespace": "default"}}
        with pytest.raises(ConflictError):
            await user.apply(wanted)


async def test_what_costs_money_is_created_once(user):
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "ws123"}}
    await user.create(node)
    with pytest.raises(AlreadyExistsError):
        await user.create(node)


async def test_a_restart_of_the_server_is_survived(tmp_path, until):
    options = ServerOptions(data_dir=tmp_path / "data", port=free_port(), token="t0ken")
    async with AsyncExitStack() as rest:
        async with EmbeddedServer.start(options=options) as server:
            user = await Client.connect(server.connection_settings, field_manager="user")
            rest.push_async_callback(user.close)
            await user.create(PARENT)
            manager = await rest.enter_async_context(Manager.connect("web", settings=server.connection_settings))
            manager.caching(CONFIG_MAP)
            await manager.start()
            assert manager.cache.get(CONFIG_MAP, KEY) is not None
        async with EmbeddedServer.start(options=options):
            await user.patch(CONFIG_MAP, KEY, {"data": {"x": "1"}})
            await until(lambda: manager.cache.get(CONFIG_MAP, KEY).get("data") == {"x": "1"}, 10)
            await manager.stop()
