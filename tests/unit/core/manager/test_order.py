"""What a manager starts before what, and stops after what."""

import asyncio

import pytest

from kaito.core import DONE, Cache, Client, Controller, KaitoError, Kind, Manager
from kaito.core.controller import KindSource, itself

THING = Kind("example.org/v1", "Thing", dict)


class Log:
    """Writes down what begins and ends."""

    def __init__(self):
        self.lines = []

    def runnable(self, name, begun=None):
        async def run():
            self.lines.append(f"{name} begins")
            if begun is not None:
                begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.lines.append(f"{name} ends")

        return run

    def wrap(self, owner, method, name):
        """Let a method write that it begins and ends."""
        original = getattr(owner, method)

        async def logged(*arguments):
            self.lines.append(f"{name} begins")
            try:
                return await original(*arguments)
            finally:
                self.lines.append(f"{name} ends")

        setattr(owner, method, logged)


class Noting:
    def __init__(self):
        self.seen = []

    async def reconcile(self, key):
        self.seen.append(key.name)
        return DONE


@pytest.fixture
def log():
    return Log()


async def test_everything_starts_in_order_and_stops_in_the_opposite_one(api, log, until):
    listening = asyncio.Event()

    async def wait_until_listening():
        log.lines.append("caches wait")
        await listening.wait()
        log.lines.append("server is ready")

    async with Manager.connect("m", settings=api.settings) as manager:
        log.wrap(manager._server, "start", "metrics")
        log.wrap(manager.cache, "run", "cache")
        controller = Controller("warm", Noting(), warm_up=True).watching(THING)
        log.wrap(controller, "run", "controller")
        manager.add(controller)
        manager.add_runnable(log.runnable("leader's runnable"))
        manager.add_runnable(log.runnable("replica's runnable"), needs_leadership=False)
        manager._caches._runs = [manager.cache.run]
        manager.add_server(log.runnable("server"), ready=wait_until_listening)
        starting = asyncio.create_task(manager.start())
        await until(lambda: "caches wait" in log.lines)
        assert api.requests == []
        listening.set()
        await starting
        await until(lambda: "leader's runnable begins" in log.lines)
    assert log.lines[:2] == ["metrics begins", "metrics ends"]
    assert set(log.lines[2:4]) == {"server begins", "caches wait"}
    assert log.lines[4:6] == ["server is ready", "cache begins"]
    began = [line for line in log.lines[6:] if line.endswith("begins")]
    assert set(began[:2]) == {"replica's runnable begins", "controller begins"}
    assert began[2:] == ["leader's runnable begins"]
    ended = [line for line in log.lines if line.endswith("ends")][1:]
    assert ended == [
        "leader's runnable ends",
        "controller ends",
        "replica's runnable ends",
        "cache ends",
        "server ends",
    ]


async def test_caches_never_start_when_a_server_fails(api):
    async def fail():
        raise KaitoError("AddressInUse", "the port is taken")

    async with Manager.connect("m", settings=api.settings) as manager:
        manager.caching(THING)
        manager.add_server(fail, ready=asyncio.Event().wait)
        with pytest.raises(KaitoError, match="AddressInUse"):
            await asyncio.wait_for(manager.start(), 5)
    assert api.requests == []


async def test_it_can_be_stopped_while_a_server_is_not_ready(api, log, until):
    async with Manager.connect("m", settings=api.settings) as manager:
        manager.add_server(log.runnable("server"), ready=asyncio.Event().wait)
        manager.add_runnable(log.runnable("never"))
        starting = asyncio.create_task(manager.start())
        await until(lambda: log.lines)
        await asyncio.wait_for(manager.stop(), 5)
        await starting
    assert log.lines == ["server begins", "server ends"]


async def test_the_cache_of_a_second_cluster_runs_with_the_managers_own(api, another_api, until):
    api.put("here")
    another_api.put("there")
    elsewhere = await Client.connect(another_api.settings, field_manager="m")
    try:
        async with Manager.connect("m", settings=api.settings) as manager:
            other, noting = Cache(elsewhere, clock=manager.clock), Noting()
            other.register(THING)
            manager.add_cache(other)
            manager.add(Controller("c", noting).watching(THING).fed_by(KindSource(THING, itself, cache=other)))
            await manager.start()
            assert other.pending == []
            await until(lambda: len(noting.seen) == 2)
            assert sorted(noting.seen) == ["here", "there"]
            assert [thing["metadata"]["name"] for thing in other.list(THING)] == ["there"]
    finally:
        await elsewhere.close()


async def test_it_is_not_ready_before_the_second_clusters_cache_is_filled(api, another_api, until):
    another_api.discovery = False
    elsewhere = await Client.connect(another_api.settings, field_manager="m")
    try:
        async with Manager.connect("m", settings=api.settings) as manager:
            other = Cache(elsewhere, clock=manager.clock)
            other.register(THING)
            manager.add_cache(other)
            starting = asyncio.create_task(manager.start())
            await until(lambda: another_api.requests)
            assert manager._unsynced() == str(THING)
            assert not starting.done()
            await asyncio.wait_for(manager.stop(), 5)
            await starting
    finally:
        await elsewhere.close()
