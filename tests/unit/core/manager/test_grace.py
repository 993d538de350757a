"""A stop ends within the grace period, whatever runs."""

import asyncio
import contextlib
import os
import signal

import pytest

from kaito.core import DONE, Controller, FuncSource, KaitoError, Key, Kind, Manager
from kaito.core.kinds import CONFIG_MAP, LEASE
from kaito.testing import VirtualClock

THING = Kind("example.org/v1", "Thing", dict)


class Stubborn:
    """Swallows every cancellation, until it is let go. It is a runnable, a handler, a source and a reconciler."""

    def __init__(self):
        self.begun, self.go, self.tasks = asyncio.Event(), asyncio.Event(), []

    async def __call__(self, *_):
        self.tasks.append(asyncio.current_task())
        self.begun.set()
        while not self.go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.go.wait()
        return DONE

    reconcile = __call__

    async def over(self):
        """Let it go, and what has been waiting for it."""
        self.go.set()
        await VirtualClock().settle()
        for task in self.tasks:
            task.cancel()
        await VirtualClock().settle()


@pytest.fixture
async def stubborn():
    one = Stubborn()
    yield one
    if one.tasks:
        await one.over()


def as_runnable(manager, stubborn):
    manager.add_runnable(stubborn)
    return "Stubborn of the runnables"


def as_runnable_of_every_replica(manager, stubborn):
    manager.add_runnable(stubborn, needs_leadership=False)
    return "Stubborn of the runnables of every replica"


def as_server(manager, stubborn):
    manager.add_server(stubborn)
    return "Stubborn of the servers"


def as_handler(manager, stubborn):
    manager.cache.subscribe(THING, stubborn)
    return "Cache.run of the caches"


def as_source(manager, stubborn):
    manager.add(Controller("c", Stubborn()).fed_by(FuncSource("source", stubborn)))
    return "controller c"


def as_reconciler(manager, stubborn):
    manager.add(Controller("c", stubborn, timeout=None).watching(THING))
    return "controller c"


def as_reconciler_that_warms_up(manager, stubborn):
    manager.add(Controller("c", stubborn, timeout=None, warm_up=True).watching(THING))
    return "controller c"


WAYS = [
    as_runnable,
    as_runnable_of_every_replica,
    as_server,
    as_handler,
    as_source,
    as_reconciler,
    as_reconciler_that_warms_up,
]


@pytest.mark.parametrize("way", WAYS)
async def test_what_swallows_its_cancellation_holds_a_stop_up_for_the_grace_period_and_is_named(
    api, until, stubborn, way
):
    api.put("a")
    clock = VirtualClock()
    async with Manager.connect("m", settings=api.settings, clock=clock) as manager:
        name = way(manager, stubborn)
        await manager.start()
        await until(stubborn.begun.is_set)
        stopping = asyncio.create_task(manager.stop())
        await clock.advance(29)
        assert not stopping.done()
        await clock.advance(1)
        with pytest.raises(KaitoError) as caught:
            await asyncio.wait_for(stopping, 5)
    assert caught.value.reason == "GraceExceeded"
    assert f"{name} did not end within 30 s (still running)" in caught.value.message


@pytest.mark.parametrize("way", WAYS)
async def test_without_grace_it_is_not_waited_for(api, until, stubborn, way):
    api.put("a")
    async with Manager.connect("m", settings=api.settings, clock=VirtualClock(), grace=0) as manager:
        name = way(manager, stubborn)
        await manager.start()
        await until(stubborn.begun.is_set)
        with pytest.raises(KaitoError, match=rf"{name} did not end at once \(still running\)"):
            await asyncio.wait_for(manager.stop(), 5)


async def test_with_grace_for_ever_it_is_waited_for(api, until, stubborn):
    clock = VirtualClock()
    async with Manager.connect("m", settings=api.settings, clock=clock, grace=-1) as manager:
        manager.add_runnable(stubborn)
        await manager.start()
        await until(stubborn.begun.is_set)
        stopping = asyncio.create_task(manager.stop())
        await clock.advance(100_000)
        assert not stopping.done()
        await stubborn.over()
        await asyncio.wait_for(stopping, 5)


async def test_a_second_signal_does_not_wait_for_it(api, until, stubborn):
    async with Manager.connect("m", settings=api.settings, clock=VirtualClock()) as manager:
        manager.add_runnable(stubborn)
        running = asyncio.create_task(manager.run())
        await until(stubborn.begun.is_set)
        for _ in range(2):
            manager._on_signal(signal.SIGINT)
            await asyncio.sleep(0)
        with pytest.raises(KaitoError, match="Stubborn of the runnables did not end at once"):
            await asyncio.wait_for(running, 5)


async def test_all_share_one_grace_period(api, until, stubborn):
    """Runnables, then what every replica runs, then servers: each could take all of it."""
    clock = VirtualClock()
    async with Manager.connect("m", settings=api.settings, clock=clock) as manager:
        names = [way(manager, stubborn) for way in (as_runnable, as_runnable_of_every_replica, as_server)]
        await manager.start()
        await until(lambda: len(stubborn.tasks) == 3)
        stopping = asyncio.create_task(manager.stop())
        await clock.advance(30)
        with pytest.raises(KaitoError, match=", ".join(names) + " did not end within 30 s"):
            await asyncio.wait_for(stopping, 5)


async def test_while_a_runnable_takes_its_time_no_reconcile_begins(api, until, stubborn):
    other = Stubborn()
    controller = Controller("c", other)
    async with Manager.connect("m", settings=api.settings, clock=VirtualClock()) as manager:
        manager.add(controller)
        manager.add_runnable(stubborn)
        await manager.start()
        await until(stubborn.begun.is_set)
        stopping = asyncio.create_task(manager.stop())
        await manager.clock.settle()
        controller.enqueue(Key("ns", "late"))
        await manager.clock.settle()
        assert not other.begun.is_set()
        await stubborn.over()
        await asyncio.wait_for(stopping, 5)


async def test_a_failure_before_it_is_raised_and_what_still_runs_is_told_too(api, until, stubborn):
    async def fail():
        await stubborn.begun.wait()
        raise KaitoError("Broken", "it broke")

    clock = VirtualClock()
    async with Manager.connect("m", settings=api.settings, clock=clock) as manager:
        manager.add_runnable(stubborn)
        manager.add_runnable(fail)
        await manager.start()
        await until(stubborn.begun.is_set)
        stopping = asyncio.create_task(manager.stop())
        await clock.advance(30)
        with pytest.raises(KaitoError, match="it broke") as caught:
            await asyncio.wait_for(stopping, 5)
    assert "Stubborn of the runnables did not end within 30 s (still running)" in "".join(caught.value.__notes__)


async def stopped_leader(server, until, stubborn, way, *, lose=False):
    """Run a leader in which something goes on to its end, and return its election."""
    clock = VirtualClock()
    async with Manager.connect("m", settings=server.connection_settings, clock=clock) as manager:
        manager.elect("default")
        way(manager, stubborn)
        await manager.start()
        await until(stubborn.begun.is_set)
        leadership, running = manager._election.leadership, manager._running
        if lose:
            lease = await manager.client.get(LEASE, Key("default", "m"))
            lease["spec"]["holderIdentity"] = "another"
            await manager.client.update(lease)
            await clock.advance(2)
            await until(running.done)
        stopping = asyncio.create_task(manager.stop())
        await clock.advance(0 if lose else 30)
        return leadership, (await asyncio.wait_for(asyncio.gather(stopping, return_exceptions=True), 5))[0]


async def test_a_candidate_that_warms_up_ends_within_the_grace_period_too(server, client, until, stubborn):
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 3_600, "renewTime": "2026-01-01T00:00:00.000000Z"}
    metadata = {"name": "m", "namespace": "default"}
    await client.create({"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": spec})
    clock = VirtualClock()
    async with Manager.connect("m", settings=server.connection_settings, clock=clock) as manager:
        manager.elect("default")
        manager.add(Controller("c", Stubborn(), warm_up=True).fed_by(FuncSource("source", stubborn)))
        await manager.start()
        await until(stubborn.begun.is_set)
        stopping = asyncio.create_task(manager.stop())
        await clock.advance(30)
        with pytest.raises(KaitoError, match=r"controller c did not end within 30 s \(still running\)"):
            await asyncio.wait_for(stopping, 5)


async def test_what_a_server_is_ready_by_does_not_hold_a_stop_up(api, until, stubborn):
    clock = VirtualClock()
    async with Manager.connect("m", settings=api.settings, clock=clock) as manager:
        manager.add_server(asyncio.Event().wait, ready=stubborn)
        starting = asyncio.create_task(manager.start())
        await until(stubborn.begun.is_set)
        stopping = asyncio.create_task(manager.stop())
        await clock.advance(30)
        with pytest.raises(KaitoError, match=r"readiness of the servers did not end within 30 s \(still running\)"):
            await asyncio.wait_for(stopping, 5)
        starting.cancel()


def reconciling_config_maps(warm_up):
    def way(manager, stubborn):
        manager.add(Controller("c", stubborn, timeout=None, warm_up=warm_up).watching(CONFIG_MAP))

    return way


@pytest.mark.parametrize("way", [as_runnable, reconciling_config_maps(False), reconciling_config_maps(True)])
async def test_a_leader_does_not_give_its_lease_back_while_something_may_still_write(
    server, client, until, stubborn, way
):
    await client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}})
    leadership, error = await stopped_leader(server, until, stubborn, way)
    assert error.reason == "GraceExceeded"
    lease = await client.get(LEASE, Key("default", "m"))
    assert lease["spec"]["holderIdentity"] == leadership.identity


@pytest.mark.parametrize("warm_up", [False, True])
async def test_a_leader_whose_reconciles_were_cut_off_gives_its_lease_back_once_they_have_ended(
    server, client, until, warm_up
):
    class Slow(Stubborn):
        async def reconcile(self, _key):
            self.begun.set()
            await self.go.wait()

    await client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}})
    _, error = await stopped_leader(server, until, Slow(), reconciling_config_maps(warm_up))
    assert error.reason == "GraceExceeded"
    assert "controller c did not end within 30 s (cut off)" in error.message
    assert (await client.get(LEASE, Key("default", "m")))["spec"]["holderIdentity"] == ""


async def test_a_leader_that_lost_its_lease_waits_for_nothing(server, client, until, stubborn):
    _, error = await stopped_leader(server, until, stubborn, as_runnable, lose=True)
    assert error.reason == "LeadershipLost"
    assert "Stubborn of the runnables did not end at once (still running)" in "".join(error.__notes__)


def test_a_process_ends_with_the_error_whatever_still_runs(api_class):
    """`asyncio.run` waits for all tasks; those that were given up must not keep it."""

    async def main():
        api = api_class()
        await api.start()
        try:
            api.put("a")
            async with Manager.connect("m", settings=api.settings, grace=0.05) as manager:
                ones = [Stubborn() for _ in WAYS]
                for number, (way, one) in enumerate(zip(WAYS, ones, strict=True)):
                    way(_Renaming(manager, number), one)
                running = asyncio.create_task(manager.run())
                for one in ones:
                    await one.begun.wait()
                os.kill(os.getpid(), signal.SIGTERM)
                await running
        finally:
            await api.stop()

    with pytest.raises(KaitoError, match="GraceExceeded"):
        asyncio.run(main())


class _Renaming:
    """A manager whose controllers get names of their own."""

    def __init__(self, manager, number):
        self._manager, self._number = manager, number

    def __getattr__(self, name):
        return getattr(self._manager, name)

    def add(self, controller):
        controller.name += str(self._number)
        self._manager.add(controller)
