"""A controller on virtual time, with a cache that the test fills and a reconciler that does what the test says."""

import asyncio
from types import SimpleNamespace

import orjson
import pytest
from prometheus_client import CollectorRegistry

from kaito.core import DONE, Controller, Event, Kind
from kaito.core.cache.entry import read_entry
from kaito.core.controller import ControllerMetricFamilies, Surroundings
from kaito.testing import VirtualClock

THING = Kind("example.org/v1", "Thing", dict, "things", True)


class FakeCache:
    """Subscriptions and own writes; no server. Every kind is listed once `synced` is set."""

    def __init__(self):
        self.handlers, self.synced, self.seen = [], asyncio.Event(), asyncio.Event()
        self.waits, self.registered = [], []
        self.timely = True

    def register(self, kind):
        self.registered.append(kind)

    def subscribe(self, _kind, handler):
        self.handlers.append(handler)
        return SimpleNamespace(synced=self.synced, remove=lambda: self.handlers.remove(handler))

    def shows(self, _writes):
        return self.seen.is_set()

    async def wait_for_writes(self, writes):
        self.waits.append(tuple(writes))
        if self.timely:
            await self.seen.wait()
        return self.timely

    def emit(self, name, *, initial=False):
        entry = read_entry(THING, orjson.dumps({"metadata": {"name": name, "namespace": "ns"}}))
        for handler in self.handlers:
            handler(Event(THING, "ADDED", entry.key, None, entry, initial))


class Scripted:
    """Does what the test says, and remembers."""

    def __init__(self):
        self.runs, self.answers = [], {}

    async def reconcile(self, key):
        self.runs.append(key)
        answer = self.answers.get(key, DONE)
        if callable(answer):
            answer = await answer()
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def cache():
    return FakeCache()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def scripted():
    return Scripted()


@pytest.fixture
def thing():
    return THING


@pytest.fixture
def surroundings(clock, cache, registry):
    return Surroundings(None, cache, clock, ControllerMetricFamilies(registry))


@pytest.fixture
async def controller(clock, scripted, surroundings, thing):
    """A controller that runs; its sources start when the test sets `cache.synced`."""
    made = Controller("c", scripted, workers=2, timeout=60).watching(thing)
    made.bind(surroundings)
    running = asyncio.create_task(made.run())
    await clock.settle()
    yield made
    made.shut_down()
    await asyncio.wait_for(running, 5)


@pytest.fixture
def metric(registry):
    def value(name, **labels):
        return registry.get_sample_value(f"controller_runtime_{name}", {"controller": "c", **labels})

    return value
