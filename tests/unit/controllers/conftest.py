"""Builders of the pictures that decisions are made from."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest
import yaml

from kaito.api import MACHINE, WORKSPACE, Machine, Workspace
from kaito.api.crd import crds
from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.controllers import ControllerOptions, Settings, workspace_controller
from kaito.controllers.workspace.claims import Claim, claim_name, read_machine
from kaito.controllers.workspace.render import SPEC_ANNOTATION, pod_digest
from kaito.controllers.workspace.slots import RANK_ANNOTATION
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.views import Deployment, Node, Pod
from kaito.core import Client, Key, Kind, Manager, NotFoundError
from kaito.core.kinds import CUSTOM_RESOURCE_DEFINITION, DEPLOYMENT, NODE
from kaito.presets import load_presets, load_skus

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"

MANIFEST = """
metadata: {name: phi, namespace: team}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {apps: phi-3}}}
inference: {preset: {name: phi-3-mini-4k-instruct}}
"""


def workspace_of(text=MANIFEST, *, finalizers=("workspace.finalizer.kaito.sh",), deleted=False, uid=UID, **changes):
    document = yaml.safe_load(text)
    document.setdefault("metadata", {}).setdefault("namespace", "team")
    document["metadata"] |= {"uid": uid, "generation": 1, "resourceVersion": "7", "finalizers": list(finalizers)}
    if deleted:
        document["metadata"]["deletionTimestamp"] = "2026-01-02T03:00:00Z"
    document |= changes
    return Workspace.model_validate(document)


def claim_of(condition="MachineLaunched", status="Unknown", reason="", message="", *, uid=UID, ordinal=0, **changes):
    """A claim whose lifecycle has come as far as `condition`, which is `status`; status True of Ready is the end."""
    order = ["MachineLaunched", "MachineRegistered", "MachineInitialized", "Ready"]
    at = order.index(condition)
    conditions = [{"type": name, "status": "True"} for name in order[:at]]
    conditions.append({"type": condition, "status": status, "reason": reason, "message": message})
    name = claim_name(uid, ordinal)
    machine = Machine.model_validate(
        {
            "metadata": {
                "name": name,
                "uid": f"machine-{name}",
                "annotations": {"kaito.sh/workspace-uid": uid, "kaito.sh/ordinal": str(ordinal)},
            },
            "status": {"nodeName": name if at else None, "conditions": conditions},
        }
    )
    return replace(read_machine(machine), **changes)


def ready_claim(**changes) -> Claim:
    return claim_of("Ready", "True", **changes)


def view_of(model, document):
    return msgspec.json.decode(json.dumps(document).encode(), type=model)


def node_of(name, *, ready=True, gpus=1, message="kubelet is down"):
    return view_of(
        Node,
        {
            "metadata": {"name": name, "labels": {}},
            "status": {
                "conditions": [
                    {"type": "Ready", "status": "True" if ready else "Unknown", "message": "" if ready else message}
                ],
                "allocatable": {"nvidia.com/gpu": str(gpus)},
            },
        },
    )


def pod_of(status, *, uid="pod-1", name="phi-1", deleted=False):
    metadata = {"name": name, "namespace": "team", "uid": uid, "creationTimestamp": "2026-01-02T03:04:00Z"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-02T03:04:30Z"
    return view_of(Pod, {"metadata": metadata, "spec": {"nodeName": "n1"}, "status": status})


RUNNING_POD = {
    "phase": "Running",
    "podIP": "127.244.1.2",
    "containerStatuses": [{"name": "phi", "state": {"running": {"startedAt": "2026-01-02T03:04:01Z"}}}],
}


def deployment_of(*, available=1, annotations=None, workspace=None, rank=64):
    """A Deployment as it was rendered for `workspace`, or with other annotations."""
    if annotations is None:
        annotations = {SPEC_ANNOTATION: pod_digest(workspace or workspace_of()), RANK_ANNOTATION: str(rank)}
    return view_of(
        Deployment,
        {
            "metadata": {"name": "phi", "namespace": "team", "uid": "d", "annotations": annotations},
            "spec": {"replicas": 1},
            "status": {"availableReplicas": available, "updatedReplicas": available},
        },
    )


def runtime_of(stage, *, message="", failure=None, adapters=()):
    return {
        "contractVersion": 1,
        "sequence": 3,
        "stage": stage,
        "message": message,
        "model": "phi-3-mini-4k-instruct",
        "weights": {"kind": "stand-in", "source": "x", "loadedBytes": 0, "totalBytes": 0},
        "adapters": list(adapters),
        "stageSeconds": {},
        "failure": failure,
    }


def snapshot_of(workspace=None, **parts) -> Snapshot:
    settings = parts.pop("settings", Settings(weights_cache_dir="/cache"))
    return Snapshot(workspace or workspace_of(), settings, load_presets(), load_skus(), **parts)


def serving_snapshot(workspace=None, **parts) -> Snapshot:
    """A Workspace with its node and an answering pod."""
    claim = ready_claim()
    given = {
        "claims": (claim,),
        "nodes": {claim.node_name: node_of(claim.node_name)},
        "deployment": deployment_of(workspace=workspace),
    }
    return snapshot_of(workspace, **(given | parts))


class Builders:
    """What the tests of this folder build with."""

    now = NOW
    uid = UID
    manifest = MANIFEST
    running_pod = RUNNING_POD
    workspace = staticmethod(workspace_of)
    claim = staticmethod(claim_of)
    ready_claim = staticmethod(ready_claim)
    node = staticmethod(node_of)
    pod = staticmethod(pod_of)
    deployment = staticmethod(deployment_of)
    runtime = staticmethod(runtime_of)
    snapshot = staticmethod(snapshot_of)
    serving = staticmethod(serving_snapshot)

    @staticmethod
    def later(seconds):
        return NOW + timedelta(seconds=seconds)


@pytest.fixture
def a() -> type[Builders]:
    return Builders


@pytest.fixture
def golden() -> Path:
    return Path(__file__).parent / "golden"


PAGE_KEY = Key("default", "workspace-phi-3-mini")
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
    """A server, a client that plays everybody else, and `running`, which runs the controller."""

    page, key, raw = PAGE, PAGE_KEY, RAW

    def __init__(self, server: EmbeddedServer, client: Client, audit: Path) -> None:
        self.client = client
        self.running = partial(running, server)
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
        return await self.client.get(RAW, PAGE_KEY)

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
        deployment = await self.until(lambda: self.client.get(DEPLOYMENT, PAGE_KEY), bool)
        status = {"replicas": 1, "availableReplicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
        status["observedGeneration"] = deployment["metadata"]["generation"]
        await self._patch(DEPLOYMENT, PAGE_KEY, status)

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
async def running(server: EmbeddedServer, **changes):
    """The controller, as its process runs it."""
    options = ControllerOptions(settings=Settings(weights_cache_dir="/cache"))
    settings = server.connection_settings
    async with Manager.connect("kaito-controller", settings=settings, field_manager="kaito-controller") as manager:
        manager.add(workspace_controller(manager, options, **changes))
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
def cluster(server, client, tmp_path):
    """A stage on which the controller does not run yet."""
    return Stage(server, client, tmp_path / "audit.log")


@pytest.fixture
async def stage(cluster):
    async with cluster.running():
        yield cluster
