"""A whole operator, as the documentation shows it, against a server."""

import aiohttp

from kaito.core import DONE, Controller, Key, Kind, Manager
from kaito.core.kinds import CONFIG_MAP

THING = Kind("example.org/v1", "Thing", dict)
MAPS = "/api/v1/namespaces/ns/configmaps"


class Echo:
    """Keeps one ConfigMap per Thing."""

    def __init__(self, manager):
        self.manager = manager
        self.reconciled = []

    async def reconcile(self, key):
        self.reconciled.append(key)
        thing = self.manager.cache.get(THING, key)
        if thing is None:
            return DONE
        wanted = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "data": {"said": thing["spec"]["say"]},
        }
        await self.manager.client.apply(wanted, owner=thing)
        return DONE


async def test_an_operator_keeps_children_in_step_and_writes_nothing_when_nothing_changed(api, until):
    api.put("a", spec={"say": "hello"})
    async with Manager.connect("echo", settings=api.settings) as manager:
        echo = Echo(manager)
        controller = Controller("echo", echo).watching(THING).owning(CONFIG_MAP)
        manager.add(controller)
        await manager.start()
        child = await until(lambda: api.objects.get(f"{MAPS}/a"))
        assert child["data"] == {"said": "hello"}
        assert child["metadata"]["ownerReferences"][0]["name"] == "a"

        await until(lambda: manager.cache.get(CONFIG_MAP, Key("ns", "a")))
        writes = len(api.seen("PATCH"))
        controller.enqueue(Key("ns", "a"))
        count = len(echo.reconciled)
        await until(lambda: len(echo.reconciled) > count)
        assert len(api.seen("PATCH")) == writes

        api.put("a", spec={"say": "bye"})
        await until(lambda: api.objects[f"{MAPS}/a"]["data"] == {"said": "bye"})

        api.remove("a", collection=MAPS)
        await until(lambda: f"{MAPS}/a" in api.objects)


async def test_metrics_and_probes_are_served_while_it_runs(api, until):
    async with Manager.connect("echo", settings=api.settings) as manager:
        manager.add(Controller("echo", Echo(manager)).watching(THING))
        await manager.start()
        base = f"http://127.0.0.1:{manager.metrics_port}"
        async with aiohttp.ClientSession() as session:
            text = await (await session.get(f"{base}/metrics")).text()
            ready = await session.get(f"{base}/readyz?verbose")
            assert ready.status == 200
            assert "[+]caches ok" in await ready.text()
            assert (await session.get(f"{base}/healthz/ping")).status == 200
            assert (await session.get(f"{base}/healthz/other")).status == 404
    for name in (
        'controller_runtime_reconcile_total{controller="echo",result="success"}',
        'controller_runtime_max_concurrent_reconciles{controller="echo"} 4.0',
        'workqueue_depth{controller="echo",name="echo",priority="0"}',
        'rest_client_requests_total{code="200",host="127.0.0.1",method="GET"}',
        "process_resident_memory_bytes",
    ):
        assert name in text
