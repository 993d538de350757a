"""Entries and informers without a server; caches on the embedded one."""

import asyncio
import random
import uuid
from contextlib import asynccontextmanager

import orjson
import pytest

from kaito.core import Cache, Kind
from kaito.core.cache import ReflectorSettings, Selection
from kaito.core.cache.entry import read_entry
from kaito.core.cache.informer import Informer
from kaito.testing import InProcessServer, LoopClock

THING = Kind("example.org/v1", "Thing", dict, "things", True)


class Silent:
    """A client that never gets an answer."""

    async def list_page(self, *arguments, **options):
        await asyncio.Event().wait()

    open_watch = list_page


def make_entry(name, version="1", *, namespace="ns", uid=None, labels=None, **fields):
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"{namespace}/{name}",
        "resourceVersion": str(version),
        "labels": labels or {},
    }
    return read_entry(THING, orjson.dumps({"metadata": metadata, **fields}))


@pytest.fixture
def entry():
    return make_entry


@pytest.fixture
def informer():
    """Make an informer that is told what to hold by the test, instead of a server."""

    def make(clock=None, jitter=lambda: 0.5, **selection):
        resolved = Selection(**selection).over(Selection(), THING)
        return Informer(THING, resolved, Silent(), clock or LoopClock(), jitter, ReflectorSettings())

    return make


@asynccontextmanager
async def running(job):
    """Run `job()` during the block."""
    task = asyncio.create_task(job())
    try:
        await asyncio.sleep(0)
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture(name="running")
def running_fixture():
    return running


@pytest.fixture
async def server():
    async with InProcessServer.start() as started:
        yield started


@pytest.fixture
def caching(server):
    """Return a context: a running cache of the embedded server's objects."""

    @asynccontextmanager
    async def start(*registered, **options):
        cache = Cache(server.client, clock=LoopClock(), **options)
        for kind, selection in registered:
            cache.register(kind, selection)
        async with running(cache.run):
            await cache.wait_for_sync()
            yield cache

    return start


@pytest.fixture
def pods():
    return make_pods


_MOMENT = "2026-09-01T12:00:00Z"


def make_pods(count, seed=7):
    """Yield the JSON of so many Pods as a cluster has them: fifty to a Deployment, 10 KB each with managedFields."""
    chance = random.Random(seed)
    for number in range(count):
        yield orjson.dumps(_pod(number, chance))


def _pod(number, chance):
    app = f"app-{number // 50}"
    digest = f"{chance.getrandbits(256):064x}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{app}-{chance.getrandbits(36):08x}-{number:05x}",
            "generateName": f"{app}-",
            "namespace": f"team-{number // 50 % 40}",
            "uid": str(uuid.UUID(int=chance.getrandbits(128))),
            "resourceVersion": str(10_000_000 + number),
            "creationTimestamp": _MOMENT,
            "labels": {
                "app.kubernetes.io/name": app,
                "app.kubernetes.io/instance": f"{app}-prod",
                "app.kubernetes.io/component": "server",
                "app.kubernetes.io/managed-by": "Helm",
                "pod-template-hash": f"{number // 50 * 7919:010x}",
            },
            "annotations": {"prometheus.io/scrape": "true", "checksum/config": digest},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{app}-rs",
                    "uid": str(uuid.UUID(int=number // 50)),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [
                {
                    "manager": manager,
                    "operation": "Update",
                    "apiVersion": "v1",
                    "time": _MOMENT,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:spec": {f"f:field{one}": {".": {}, "f:a": {}, "f:b": {}} for one in range(36)}},
                }
                for manager in ("kube-controller-manager", "kubelet")
            ],
        },
        "spec": {"nodeName": f"node-{number % 500}", "containers": [_container(one, app, chance) for one in range(4)]},
        "status": {"phase": "Running", "podIP": f"10.1.{number % 250}.7", "startTime": _MOMENT},
    }


def _container(number, app, chance):
    return {
        "name": f"c{number}",
        "image": f"registry.example.org/team/{app}:v1.{number}",
        "args": ["--listen=:8080", "--log-format=json", "--feature-gates=A=true,B=false,C=true"],
        "env": [{"name": f"VARIABLE_{one}", "value": f"value-{chance.getrandbits(40):x}"} for one in range(16)],
        "resources": {"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"cpu": "250m", "memory": "512Mi"}},
        "terminationMessagePath": "/dev/termination-log",
        "volumeMounts": [{"mountPath": f"/etc/cfg{one}", "name": f"cfg-{one}", "readOnly": True} for one in range(5)],
    }
