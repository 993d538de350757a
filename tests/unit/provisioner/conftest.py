"""A small world for provisioner tests: a clock that jumps, an API server in memory, the local cloud in a folder."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from kaito.api.machine import MACHINE, Machine
from kaito.core.client.codec import decode
from kaito.core.clock import timestamp
from kaito.core.errors import ConflictError, NotFoundError, Status, TooManyRequestsError
from kaito.core.objects import Key, Kind, Object
from kaito.provisioner.clouds import Instance
from kaito.provisioner.clouds.local import InstanceFiles, LocalCloud
from kaito.provisioner.lifecycle import Progress
from kaito.provisioner.limits import Limits
from kaito.provisioner.metrics import MeteredCloud, ProvisionerMetrics
from kaito.provisioner.node import NODE, Node
from kaito.provisioner.reconciler import MachineReconciler

START = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
SKU = "Standard_NC6s_v3"


class JumpingClock:
    """Time passes only by sleeping, and then at once."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


class Crash(BaseException):
    """The process dies here."""


class Entry:
    """What the cache hands out."""

    def __init__(self, kind: Kind[Any], obj: Object) -> None:
        self.kind, self.obj = kind, obj

    def decode(self) -> Any:
        return read(self.kind, self.obj)


def read(kind: Kind[Any], obj: Object) -> Any:
    return decode(kind, orjson.dumps(obj))


def conflict(message: str) -> ConflictError:
    return ConflictError(Status(409, "Conflict", message))


class Server:
    """Client and cache in one: merge patches, uids, versions, finalizers, evictions. `requests` lists the writes."""

    def __init__(self, clock: JumpingClock) -> None:
        self.clock = clock
        self.objects: dict[tuple[str, Key], Object] = {}
        self.requests: list[str] = []
        self.events: list[tuple[str, str, str, str]] = []
        self.protected: set[str] = set()
        self.crash_after: int | None = None
        self.version = 0

    # cache
    def get(self, kind: Kind[Any], key: Key) -> Any:
        found = self.objects.get((kind.kind, key))
        return None if found is None else read(kind, found)

    def list_cached(self, kind: Kind[Any]) -> list[Any]:
        return [read(kind, obj) for (name, _), obj in self.objects.items() if name == kind.kind]

    def by_index(self, kind: Kind[Any], index: str, value: str) -> list[Entry]:
        assert index == "providerID"
        part = "spec" if kind.kind == "Node" else "status"
        found = [obj for (name, _), obj in self.objects.items() if name == kind.kind]
        return [Entry(kind, obj) for obj in found if obj.get(part, {}).get("providerID") == value]

    # events
    def record(self, obj: Object, type: str, reason: str, message: str, *, action: str = "") -> None:  # noqa: A002
        self.events.append((obj["kind"], type, reason, message))

    def reasons(self, kind: str = "Machine") -> list[str]:
        return [reason for about, _, reason, _ in self.events if about == kind]

    # client
    def add(self, obj: Object) -> Object:
        obj = copy.deepcopy(obj)
        self.version += 1
        metadata = obj["metadata"]
        metadata.setdefault("uid", f"uid-{metadata['name']}-{self.version}")
        metadata.setdefault("creationTimestamp", timestamp(self.clock.now()))
        metadata.setdefault("generation", 1)
        metadata["resourceVersion"] = str(self.version)
        self.objects[obj["kind"], key_of(obj)] = obj
        return obj

    async def patch(
        self, kind: Kind[Any], key: Key, body: Object, *, patch_type: str = "merge", subresource: str = ""
    ) -> Object:
        assert patch_type == "merge"
        found = self._found(kind, key)
        metadata = body.get("metadata", {})
        for name in ("uid", "resourceVersion"):
            if name in metadata and metadata[name] != found["metadata"][name]:
                raise conflict(f"{name} of {key} is another one")
        new = merged(found, {"status": body["status"]} if subresource else body)
        if "spec" in body and new["spec"] != found.get("spec") and kind.kind == "Machine":
            new["metadata"]["generation"] += 1
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        self.objects[kind.kind, key] = new
        self._collect(kind, key)
        self._wrote(f"PATCH {kind.kind} {key.name}{'/' + subresource if subresource else ''}")
        return copy.deepcopy(new)

    async def delete(self, kind: Kind[Any], key: Key, *, uid: str = "") -> None:
        found = self._found(kind, key)
        if uid and uid != found["metadata"]["uid"]:
            raise conflict(f"uid of {key} is another one")
        found["metadata"].setdefault("deletionTimestamp", timestamp(self.clock.now()))
        self._collect(kind, key)
        self._wrote(f"DELETE {kind.kind} {key.name}")

    async def list(self, kind: Kind[Any], *, fields: str) -> Any:
        node = fields.removeprefix("spec.nodeName=")

        return SimpleNamespace(items=[one for one in self.list_cached(kind) if one.spec.node_name == node])

    async def create_subresource(self, kind: Kind[Any], key: Key, subresource: str, body: Object) -> None:
        assert (kind.kind, subresource) == ("Pod", "eviction")
        name = key.name
        if name in self.protected:
            raise TooManyRequestsError(Status(429, "TooManyRequests", "Cannot evict pod: disruption budget"))
        pod = self.objects["Pod", key]
        assert body["deleteOptions"]["preconditions"]["uid"] == pod["metadata"]["uid"]
        pod["metadata"]["deletionTimestamp"] = timestamp(self.clock.now() + timedelta(seconds=30))
        self._wrote(f"EVICT {name}")

    def _found(self, kind: Kind[Any], key: Key) -> Object:
        if (kind.kind, key) not in self.objects:
            raise NotFoundError(Status(404, "NotFound", f"{kind.kind} {key} not found"))
        return self.objects[kind.kind, key]

    def _collect(self, kind: Kind[Any], key: Key) -> None:
        metadata = self.objects[kind.kind, key]["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            del self.objects[kind.kind, key]

    def _wrote(self, what: str) -> None:
        self.requests.append(what)
        if self.crash_after is not None and len(self.requests) > self.crash_after:
            raise Crash(what)


class CacheView:
    """The server's objects as a Cache."""

    def __init__(self, server: Server) -> None:
        self.get, self.list, self.by_index = server.get, server.list_cached, server.by_index


def key_of(obj: Object) -> Key:
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    new = dict(copy.deepcopy(old)) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = merged(new.get(name), value)
    return new


def machine_object(name: str = "ws1", **spec: Any) -> Object:
    return {
        "apiVersion": "karpenter.sh/v1alpha5",
        "kind": "Machine",
        "metadata": {
            "name": name,
            "labels": {"karpenter.sh/provisioner-name": "default", "kaito.sh/workspace": "phi", "apps": "phi-3"},
        },
        "spec": {
            "requirements": [
                {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [SKU]},
                {"key": "karpenter.sh/provisioner-name", "operator": "In", "values": ["default"]},
                {"key": "kaito.sh/machine-type", "operator": "In", "values": ["gpu"]},
                {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
            ],
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            "resources": {"requests": {"storage": "80Gi", "nvidia.com/gpu": "1"}},
            **spec,
        },
    }


def node_object(name: str = "ws1", *, ready: bool = True, gpus: str = "1", **changes: Any) -> Object:
    return merged(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"providerID": f"local:///{name}", "taints": []},
            "status": {
                "capacity": {"cpu": "6", "nvidia.com/gpu": gpus},
                "allocatable": {"cpu": "6", "nvidia.com/gpu": gpus},
                "conditions": [{"type": "Ready", "status": "True" if ready else "False", "reason": "Kubelet"}],
            },
        },
        changes,
    )


class World:
    """Everything that a Machine lives in. `restart` makes a new process: all memory is lost."""

    machine_kind = MACHINE
    node_kind = NODE
    crash = Crash

    def __init__(self, directory: Path, limits: Limits) -> None:
        self.clock = JumpingClock()
        self.server = Server(self.clock)
        self.directory = directory
        self.limits = limits
        self.instances = InstanceFiles(directory)
        self.restart()

    def restart(self) -> None:
        self.registry = CollectorRegistry()
        metrics = ProvisionerMetrics(self.registry)
        self.cloud = MeteredCloud(LocalCloud(self.directory, self.clock), metrics, self.clock)
        self.reconciler = MachineReconciler(
            CacheView(self.server),  # type: ignore[arg-type]
            self.server,  # type: ignore[arg-type]
            self.cloud,
            clock=self.clock,
            events=self.server,
            metrics=metrics,
            limits=self.limits,
        )

    def cloud_says(self, text: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "cloud.yaml").write_text(text)

    async def reconcile(self, name: str = "ws1") -> float | None:
        result = await self.reconciler.reconcile(Key("", name))
        return result.requeue_after

    def machine(self, name: str = "ws1") -> Machine:
        found = self.server.get(MACHINE, Key("", name))
        assert found is not None
        return found  # type: ignore[no-any-return]

    def node(self, name: str = "ws1") -> Node:
        found = self.server.get(NODE, Key("", name))
        assert found is not None
        return found  # type: ignore[no-any-return]

    def exists(self, kind: str, name: str = "ws1") -> bool:
        return (kind, Key("", name)) in self.server.objects

    def said(self, condition: str, name: str = "ws1") -> tuple[str, str]:
        found = self.machine(name).condition(condition)
        assert found is not None
        return found.status, found.reason or ""

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def boot(self, name: str = "ws1", **changes: Any) -> None:
        """Let the machine room start the node of an instance, as kaito-node registers it."""
        instance = self.instances.read(name)
        assert instance is not None
        taints = [taint.wire() for taint in instance.taints]
        labels = {"metadata": {"labels": instance.labels}, "spec": {"taints": taints}}
        self.server.add(merged(node_object(name, **changes), labels))


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def world(tmp_path: Path, limits: Limits) -> World:
    return World(tmp_path / "cloud", limits)


@pytest.fixture
def new_machine() -> Callable[..., Object]:
    return machine_object


@pytest.fixture
def new_node() -> Callable[..., Object]:
    return node_object


@pytest.fixture
def progress() -> Callable[..., Progress]:
    """Make the Progress of a Machine with conditions given as {type: (status, reason, seconds ago)}."""

    def make(
        *nodes: Object,
        conditions: dict[str, tuple[str, str, float]] | None = None,
        age: float = 0,
        limits: Limits | None = None,
        **spec: Any,
    ) -> Progress:
        obj = machine_object(**spec)
        obj["metadata"] |= {"uid": "u", "creationTimestamp": timestamp(START - timedelta(seconds=age))}
        obj["status"] = {
            "providerID": "local:///ws1",
            "conditions": [
                {
                    "type": name,
                    "status": status,
                    "reason": reason,
                    "lastTransitionTime": timestamp(START - timedelta(seconds=ago)),
                }
                for name, (status, reason, ago) in (conditions or {}).items()
            ],
        }
        views = tuple(read(NODE, node) for node in nodes)
        return Progress.of(START, limits or Limits(), Machine.model_validate(obj), views, support="See the logs.")

    return make


@pytest.fixture
def instance() -> Instance:
    return Instance(
        name="ws1",
        provider_id="local:///ws1",
        instance_type=SKU,
        labels={"node.kubernetes.io/instance-type": SKU, "topology.kubernetes.io/zone": "local-1", "apps": "cloud"},
        capacity={"nvidia.com/gpu": "1"},
        allocatable={"nvidia.com/gpu": "1"},
        created_at=START,
    )
