"""Adapters of a serving Workspace against the embedded API server, with a pod's admin port that the test plays."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import pytest
from pod_server import PodServer

from kaito.core import Key, NotFoundError
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT, EVENT, POD, SECRET

POD_KEY = Key("default", "phi-pod")
CANARY = "canary-of-a-password"


def adapter(name, tag=1, **changes):
    return {"source": {"name": name, "image": f"registry.example.org/{name}:{tag}", **changes}}


class Serving:
    """A Workspace with one pod, whose admin port is `server`."""

    def __init__(self, stage, server):
        self.stage, self.server, self.client, self.key = stage, server, stage.client, stage.key

    async def edit(self, *adapters):
        await self.client.patch(self.stage.raw, self.key, {"inference": {"adapters": list(adapters)}})

    async def states(self, wanted):
        """Wait until the status has these adapters, as `{name: state}`."""

        def has(workspace):
            return {one["name"]: one["state"] for one in workspace["status"].get("adapters", [])} == wanted

        found = await self.stage.until(self.stage.workspace, has)
        return {one["name"]: one for one in found["status"].get("adapters", [])}

    async def pod_template(self):
        return (await self.client.get(DEPLOYMENT, self.key))["spec"]["template"]

    async def set_in_config_map(self):
        found = await self.client.get(CONFIG_MAP, Key("default", f"{self.key.name}-adapters"))
        return json.loads(found["data"]["adapters.json"])

    async def secret(self, name, kind="kubernetes.io/dockerconfigjson", **data):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        metadata = {"name": name, "namespace": "default"}
        return await self.client.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded}
        )

    async def copy(self):
        secret = await self.client.get(SECRET, Key("default", f"{self.key.name}-adapter-credentials"))
        return {name: json.loads(base64.b64decode(text)) for name, text in secret.get("data", {}).items()}


def login(password=CANARY):
    return json.dumps({"auths": {"registry.example.org": {"password": password}}})


async def make_pod(stage):
    metadata = {"name": POD_KEY.name, "namespace": POD_KEY.namespace, "labels": {"kaito.sh/workspace": stage.key.name}}
    container = {"name": "phi", "image": "x"}
    await stage.client.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    )
    running = {"name": "phi", "image": "x", "imageID": "", "ready": True, "restartCount": 0}
    running["state"] = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    ready = {"type": "Ready", "status": "True"}
    status = {"phase": "Running", "podIP": "127.0.0.1", "containerStatuses": [running], "conditions": [ready]}
    await stage.client.patch(POD, POD_KEY, {"status": status}, subresource="status")


@asynccontextmanager
async def serving(cluster):
    """The controller and a Workspace that is Ready."""
    server = PodServer()
    async with server.listening() as port, cluster.running(admin_port=port):
        await cluster.client.create(cluster.page)
        await cluster.launch()
        secret = await cluster.until(
            lambda: cluster.client.get(SECRET, Key("default", f"{cluster.key.name}-admin")), bool
        )
        server.token = base64.b64decode(secret["data"]["token"]).decode()
        await cluster.answer()
        await make_pod(cluster)
        await cluster.phase("Ready")
        yield Serving(cluster, server)


@pytest.fixture
async def phi(cluster):
    async with serving(cluster) as phi:
        yield phi


async def test_an_adapter_comes_changes_and_goes_without_another_pod(phi):
    before = await phi.pod_template()
    await phi.edit(adapter("poems"))
    found = await phi.states({"poems": "Ready"})
    assert (found["poems"]["source"], found["poems"]["rank"]) == ("registry.example.org/poems:1", 8)
    assert phi.server.set["adapters"] == [{"name": "poems", "image": "registry.example.org/poems:1"}]
    assert await phi.set_in_config_map() == phi.server.set

    await phi.edit({**adapter("poems", 2), "strength": "0.5"}, adapter("prose"))
    await phi.states({"poems": "Ready", "prose": "Ready"})
    assert phi.server.set["adapters"][0] == {
        "name": "poems",
        "image": "registry.example.org/poems:2",
        "strength": "0.5",
    }

    await phi.edit()
    await phi.states({})
    assert phi.server.set["adapters"] == []
    assert await phi.pod_template() == before


async def test_a_set_that_is_served_is_quiet(phi):
    await phi.edit(adapter("poems"))
    await phi.states({"poems": "Ready"})
    await asyncio.sleep(1.2)  # events are written behind
    puts, requests = len(phi.server.puts), len(phi.stage.requests())
    await phi.client.patch(phi.stage.raw, phi.key, {"metadata": {"labels": {"touched": "yes"}}})
    await asyncio.sleep(0.7)
    assert (len(phi.server.puts), len(phi.stage.requests())) == (puts, requests)


async def test_a_server_that_starts_again_from_an_older_file_is_told_again(phi):
    await phi.edit(adapter("poems"))
    await phi.states({"poems": "Ready"})
    phi.server.restart()
    await phi.stage.until(lambda: asyncio.sleep(0, phi.server.set["adapters"]), bool)
    assert phi.server.set == await phi.set_in_config_map()
    await phi.states({"poems": "Ready"})


async def test_one_that_cannot_be_served_is_told_with_its_reason_beside_one_that_is(phi):
    phi.server.adapters["bad"] = {"state": "Failed", "reason": "NotFinite", "message": "lora_A of layer 3 has a NaN."}
    await phi.edit(adapter("poems"), adapter("bad"))
    found = await phi.states({"poems": "Ready", "bad": "Failed"})
    assert found["bad"]["message"] == "lora_A of layer 3 has a NaN."
    events = await phi.stage.until(
        lambda: phi.client.list(EVENT, "default"), lambda it: any(e["reason"] == "AdapterFailed" for e in it.items)
    )
    assert [one["type"] for one in events.items if one["reason"] == "AdapterFailed"] == ["Warning"]
    assert (await phi.stage.workspace())["status"]["phase"] == "Ready"


async def test_a_pod_that_goes_while_it_is_told_leaves_the_set_for_the_next(phi):
    phi.server.faults = [(503, {})] * 1000
    await phi.edit(adapter("poems"))
    async with asyncio.timeout(10):
        await phi.server.put.wait()
    await phi.client.delete(POD, POD_KEY, grace_period_seconds=0)
    await phi.states({"poems": "Pending"})
    phi.server.restart(await phi.set_in_config_map())
    phi.server.faults = []
    await make_pod(phi.stage)
    await phi.states({"poems": "Ready"})


async def test_a_controller_that_starts_anew_goes_on_where_the_other_stopped(cluster):
    async with serving(cluster) as phi:
        phi.server.faults = [(503, {})] * 1000
        await phi.edit(adapter("poems"))
        await phi.states({"poems": "Pending"})
    server = phi.server
    server.faults = []
    async with server.listening() as port, cluster.running(admin_port=port):
        await Serving(cluster, server).states({"poems": "Ready"})
    assert server.set["adapters"] == [{"name": "poems", "image": "registry.example.org/poems:1"}]


async def test_the_admin_token_may_be_replaced_at_any_time(phi):
    key = Key("default", f"{phi.key.name}-admin")
    await phi.client.patch(SECRET, key, {"data": {"token": base64.b64encode(b"rotated").decode()}})
    phi.server.token = "rotated"
    await phi.edit(adapter("poems"))
    await phi.states({"poems": "Ready"})


async def test_pull_secrets_are_copied_and_their_copy_goes_with_the_last_one(phi):
    await phi.secret("login", **{".dockerconfigjson": login()})
    before = await phi.pod_template()
    await phi.edit(adapter("poems", imagePullSecrets=["login"]))
    await phi.states({"poems": "Ready"})
    found = await phi.stage.until(phi.copy, bool)
    assert found == {"login.json": {"auths": {"registry.example.org": {"password": CANARY}}}}
    for kind in (phi.stage.raw, DEPLOYMENT, CONFIG_MAP, EVENT, POD):
        assert CANARY not in json.dumps((await phi.client.list(kind, "default")).items)

    await phi.edit(adapter("poems"))

    async def is_gone():
        try:
            return not await phi.copy()
        except NotFoundError:
            return True

    await phi.stage.until(is_gone, bool)
    assert await phi.pod_template() == before


WRONG = {
    "missing": (None, {}, "there is no Secret default/login"),
    "of another type": ("Opaque", {"password": CANARY}, "is of type 'Opaque'"),
    "without auths": ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": "{}"}, "has no auths"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_pull_secret_fails_its_own_adapter_until_it_is_right(phi, case):
    kind, data, said = WRONG[case]
    phi.server.adapters["poems"] = {"state": "Failed", "reason": "SourceUnauthorized", "message": "401"}
    if kind:
        await phi.secret("login", kind, **data)
    await phi.edit(adapter("poems", imagePullSecrets=["login"]), adapter("prose"))
    found = await phi.states({"poems": "Failed", "prose": "Ready"})
    found = await phi.stage.until(phi.stage.workspace, lambda it: said in json.dumps(it["status"]["adapters"]))
    assert found["status"]["adapters"][0]["reason"] == "SourceUnauthorized"
    assert CANARY not in json.dumps(found)
    if kind:
        await phi.client.delete(SECRET, Key("default", "login"))
    await phi.secret("login", **{".dockerconfigjson": login()})
    await phi.stage.until(phi.copy, bool)
    await phi.stage.until(phi.stage.workspace, lambda it: said not in json.dumps(it["status"]["adapters"]))


async def test_a_rank_above_the_slots_is_told_then_rolls_the_pod_once(phi):
    phi.server.adapters["poems"] = {"state": "Failed", "reason": "RankAboveSlot", "message": "", "rank": 100}
    await phi.edit(adapter("poems"))

    async def rank():
        [container] = (await phi.pod_template())["spec"]["containers"]
        return [flag for flag in container["args"] if flag.startswith("--max-lora-rank")]

    await phi.stage.until(rank, lambda it: it == ["--max-lora-rank=128"])
    await asyncio.sleep(0.5)
    generation = (await phi.client.get(DEPLOYMENT, phi.key))["metadata"]["generation"]
    assert generation == 2
    found = await phi.stage.workspace()
    assert "slots of rank 128" in found["status"]["adapters"][0]["message"]
