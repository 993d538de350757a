"""The controller against the embedded API server; the test plays everybody else: provisioner, kubelet, built-ins."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from kaito.api import MACHINE, WORKSPACE
from kaito.api.crd import crds
from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.controllers import ControllerOptions, Settings, workspace_controller
from kaito.core import ApiError, Client, InvalidError, Key, Kind, Manager, NotFoundError
from kaito.core.kinds import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, DEPLOYMENT, EVENT, NODE, POD, SECRET, SERVICE

KEY = Key("default", "workspace-phi-3-mini")
RAW = Kind(WORKSPACE.api_version, "Workspace", dict, "workspaces", True)
MACHINES = Kind(MACHINE.api_version, "Machine", dict, "machines", False)
PAGE = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": "workspace-phi-3-mini", "namespace": "default"},
    "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
    "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
}


class Stage:
    """A server, a client that plays everybody else, and the running controller."""

    def __init__(self, client: Client, audit: Path) -> None:
        self.client = client
        self._audit = audit

    async def until(self, what, wanted, within=15):
        """Wait until `wanted(await what())` holds, and return what it then is."""
        found = None
        async with asyncio.timeout(within):
            while True:
                try:
                    found = await what()
                    if wanted(found):
                        return found
                except NotFoundError:
                    pass
                await asyncio.sleep(0.02)

    async def workspace(self):
        return await self.client.get(RAW, KEY)

    async def phase(self, name):
        return await self.until(self.workspace, lambda it: it.get("status", {}).get("phase") == name)

    async def machines(self):
        return (await self.client.list(MACHINES)).items

    def requests(self):
        """Requests of the controller so far, watches and lists aside: method and path."""
        rows = [json.loads(line) for line in self._audit.read_text().splitlines()]
        return [row for row in rows if "kaito-controller" in json.dumps(row)]

    async def launch(self):
        """Play the provisioner: launched, node there, ready."""
        [machine] = await self.until(self.machines, bool)
        name = machine["metadata"]["name"]
        status = {"providerID": f"local:///{name}", "conditions": [self._true("MachineLaunched")]}
        await self._patch(MACHINES, Key("", name), status)
        labels = machine["metadata"]["labels"]
        await self.client.create(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}
        )
        await self._patch(
            NODE,
            Key("", name),
            {"conditions": [self._true("Ready")], "allocatable": {"nvidia.com/gpu": "1"}, "capacity": {}},
        )
        every = ("MachineLaunched", "MachineRegistered", "MachineInitialized", "Ready")
        await self._patch(MACHINES, Key("", name), {"nodeName": name, "conditions": [self._true(one) for one in every]})
        return name

    async def answer(self):
        """Play the Deployment's controllers: one pod, available."""
        deployment = await self.until(lambda: self.client.get(DEPLOYMENT, KEY), bool)
        status = {"replicas": 1, "availableReplicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
        status["observedGeneration"] = deployment["metadata"]["generation"]
        await self._patch(DEPLOYMENT, KEY, status)

    async def _patch(self, kind, key, status):
        await self.client.patch(kind, key, {"status": status}, subresource="status")

    @staticmethod
    def _true(condition):
        return {
            "type": condition,
            "status": "True",
            "reason": condition,
            "message": "",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }


@asynccontextmanager
async def running(server: EmbeddedServer):
    """The controller, as its process runs it."""
    options = ControllerOptions(settings=Settings(weights_cache_dir="/cache"))
    settings = server.connection_settings
    async with Manager.connect("kaito-controller", settings=settings, field_manager="kaito-controller") as manager:
        manager.add(workspace_controller(manager, options))
        await manager.start()
        yield manager


@pytest.fixture
async def server(tmp_path):
    options = ServerOptions(audit_log_path=tmp_path / "audit.log")
    async with EmbeddedServer.start(options=options) as server:
        yield server


@pytest.fixture
async def client(server):
    client = await Client.connect(server.connection_settings, field_manager="test", user_agent="test")
    for crd in crds():
        await client.create(crd)
    for crd in crds():
        key = Key("", crd["metadata"]["name"])
        async with asyncio.timeout(10):
            while True:
                found = await client.get(CUSTOM_RESOURCE_DEFINITION, key)
                conditions = found.get("status", {}).get("conditions", [])
                if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
                    break
                await asyncio.sleep(0.02)
    yield client
    await client.close()


@pytest.fixture
async def stage(server, client, tmp_path):
    async with running(server):
        yield Stage(client, tmp_path / "audit.log")


def truth(workspace):
    return {one["type"]: one["status"] for one in workspace["status"]["conditions"]}


async def test_a_workspace_goes_from_apply_to_ready_and_then_all_is_quiet(stage):
    await stage.client.create(PAGE)
    claiming = await stage.phase("ClaimingNodes")
    assert claiming["metadata"]["finalizers"] == ["workspace.finalizer.kaito.sh"]
    node = await stage.launch()
    await stage.phase("StartingModel")
    await stage.answer()
    ready = await stage.phase("Ready")
    assert set(truth(ready).values()) == {"True"}
    assert ready["status"]["workerNodes"] == [node]
    assert [row["phase"] for row in ready["status"]["timeline"]][-2:] == ["WaitingForNodes", "StartingModel"]
    assert all(row["seconds"] >= 0 for row in ready["status"]["timeline"])

    service = await stage.client.get(SERVICE, KEY)
    ports = [(one["port"], one["targetPort"]) for one in service["spec"]["ports"]]
    assert ports == [(80, 5000), (29500, 29500)]
    headless = await stage.client.get(SERVICE, Key("default", f"{KEY.name}-headless"))
    assert headless["spec"]["clusterIP"] == "None"
    config = await stage.client.get(CONFIG_MAP, Key("default", f"{KEY.name}-inference-config"))
    assert yaml.safe_load(config["data"]["inference_config.yaml"]) == {"vllm": {}}
    secret = await stage.client.get(SECRET, Key("default", f"{KEY.name}-admin"))
    for obj in (service, headless, config, secret):
        assert [owner["uid"] for owner in obj["metadata"]["ownerReferences"]] == [ready["metadata"]["uid"]]

    await asyncio.sleep(1.2)  # events are written behind; nothing else may come
    before = len(stage.requests())
    assert before > 8  # it can be seen at all
    labels = {"metadata": {"labels": {"touched": "yes"}}}
    await stage.client.patch(RAW, KEY, labels)  # one more reconcile
    await asyncio.sleep(0.7)
    assert stage.requests()[before:] == []


async def test_the_token_is_in_its_secret_and_nowhere_else(stage):
    await stage.client.create(PAGE)
    await stage.launch()
    secret = await stage.until(lambda: stage.client.get(SECRET, Key("default", f"{KEY.name}-admin")), bool)
    token = secret["data"]["token"]
    assert len(token) > 40
    await stage.phase("StartingModel")
    for kind in (RAW, DEPLOYMENT, CONFIG_MAP, SERVICE, EVENT, POD):
        assert token not in json.dumps((await stage.client.list(kind, "default")).items)


async def test_a_refused_quota_is_on_the_workspace_with_its_remedy_and_ends_when_there_is_quota(stage):
    await stage.client.create(PAGE)
    [machine] = await stage.until(stage.machines, bool)
    refused = {
        "type": "MachineLaunched",
        "status": "False",
        "reason": "QuotaExceeded",
        "message": "0 of 6 vCPUs are left. Ask for more at https://aka.ms/quota.",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    await stage._patch(MACHINES, Key("", machine["metadata"]["name"]), {"conditions": [refused]})
    failed = await stage.phase("Failed")
    assert failed["status"]["lastFailure"]["reason"] == "QuotaExceeded"
    assert failed["status"]["lastFailure"]["terminal"] is True
    assert "Ask for more" in failed["status"]["message"]
    events = await stage.until(
        lambda: stage.client.list(EVENT, "default"), lambda it: any(e["reason"] == "QuotaExceeded" for e in it.items)
    )
    assert [one["type"] for one in events.items if one["reason"] == "QuotaExceeded"] == ["Warning"]
    assert len(await stage.machines()) == 1

    await stage.launch()
    await stage.answer()
    ready = await stage.phase("Ready")
    assert "lastFailure" not in ready["status"]


async def test_deletion_leaves_nothing(stage):
    await stage.client.create(PAGE)
    await stage.launch()
    await stage.answer()
    await stage.phase("Ready")
    await stage.client.delete(RAW, KEY)
    await stage.until(stage.machines, lambda it: it == [])

    async def workspaces():
        return (await stage.client.list(RAW)).items

    await stage.until(workspaces, lambda it: it == [])
    with pytest.raises(NotFoundError):
        await stage.client.get(DEPLOYMENT, KEY)


async def test_a_restarted_controller_changes_nothing_of_a_ready_workspace(server, client, tmp_path):
    stage = Stage(client, tmp_path / "audit.log")
    async with running(server):
        await client.create(PAGE)
        await stage.launch()
        await stage.answer()
        before = await stage.phase("Ready")
    async with running(server):
        await asyncio.sleep(0.7)
        after = await stage.workspace()
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert len(await stage.machines()) == 1


async def test_two_workspaces_with_one_label_get_a_node_each(stage):
    await stage.client.create(PAGE)
    await stage.client.create({**PAGE, "metadata": {"name": "other", "namespace": "default"}})
    machines = await stage.until(stage.machines, lambda it: len(it) == 2)
    assert {one["metadata"]["labels"]["kaito.sh/workspace"] for one in machines} == {KEY.name, "other"}
    assert {one["metadata"]["labels"]["apps"] for one in machines} == {"phi-3"}


REFUSED = [
    ({"resource": {"instanceType": "x"}}, "resource.labelSelector"),
    ({"inference": {"preset": {"name": 3}}}, "inference.preset.name"),
    ({"tuning": {"method": "lora"}}, "tuning.input"),
    ({"inference": None}, "exactly one of inference and tuning"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED)
async def test_a_wrong_manifest_is_refused_at_apply_with_its_field(client, changes, said):
    wrong = {key: value for key, value in {**PAGE, **changes}.items() if value is not None}
    with pytest.raises((InvalidError, ApiError)) as caught:
        await client.create(wrong)
    assert said in str(caught.value)


EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
async def test_every_manifest_of_the_page_is_accepted_as_it_is(client, path):
    for document in yaml.safe_load_all(path.read_text()):
        if document["kind"] == "Workspace":
            document["metadata"]["namespace"] = "default"
            assert (await client.create(document))["metadata"]["uid"]
