"""Entries and informers without a server; caches on the embedded one."""

import asyncio
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
