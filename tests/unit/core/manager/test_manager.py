"""Start and stop, in order, leaving nothing behind."""

import asyncio
import contextlib
import os
import signal

import aiohttp
import pytest

from kaito.core import DONE, Cache, Controller, KaitoError, Key, Kind, Manager, Selection
from kaito.testing import VirtualClock

THING = Kind("example.org/v1", "Thing", dict)


class Slow:
    """Holds each key until it is let go."""

    def __init__(self):
        self.begun, self.go, self.ended = [], asyncio.Event(), []

    async def reconcile(self, key):
        self.begun.append(key)
        await self.go.wait()
        self.ended.append(key)
        return DONE


async def test_a_signal_ends_what_is_in_progress_and_returns(api, until):
    api.put("a")
    slow = Slow()
    async with Manager.connect("m", settings=api.settings) as manager:
        manager.add(Controller("c", slow).watching(THING))
        running = asyncio.create_task(manager.run())
        await until(lambda: slow.begun)
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: manager._stopping.is_set())
        assert not running.done()
        slow.go.set()
        await asyncio.wait_for(running, 5)
    assert slow.ended == [Key("ns", "a")]


async def test_a_second_signal_does_not_wait(api, until):
    api.put("a")
    slow = Slow()
    async with Manager.connect("m", settings=api.settings) as manager:
        manager.add(Controller("c", slow).watching(THING))
        running = asyncio.create_task(manager.run())
        await until(lambda: slow.begun)
        manager._on_signal(signal.SIGINT)
        await asyncio.sleep(0)
        manager._on_signal(signal.SIGINT)
        await asyncio.wait_for(running, 5)
    assert slow.ended == []


@pytest.mark.parametrize(
    ("grace", "waits", "error"),
    [(30, 30, "did not end within 30 s"), (5, 5, "within 5 s"), (0, 0, None), (-1, 9_999, None)],
)
async def test_reconciles_have_the_grace_period_to_end(api, until, grace, waits, error):
    api.put("a")
    slow, clock = Slow(), VirtualClock()
    with pytest.raises(KaitoError, match=error) if error else contextlib.nullcontext():
        async with Manager.connect("m", settings=api.settings, clock=clock, grace=grace) as manager:
            manager.add(Controller("c", slow, timeout=None).watching(THING))
            await manager.start()
            await until(lambda: slow.begun)
            stopping = asyncio.create_task(manager.stop())
            if waits:
                await clock.advance(waits - 1)
                assert not stopping.done()
                if error is None:
                    slow.go.set()
                await clock.advance(2)
            await asyncio.wait_for(stopping, 5)
    assert len(slow.ended) == (grace < 0)


async def test_runnables_start_after_the_caches_are_filled_and_stop_first(api, until):
    api.put("a")
    order = []

    async def runnable():
        order.append(manager.cache.get(THING, Key("ns", "a")) is not None)
        try:
            await asyncio.Event().wait()
        finally:
            order.append("cancelled")

    async with Manager.connect("m", settings=api.settings) as manager:
        manager.caching(THING)
        manager.add_runnable(runnable)
        await manager.start()
        await until(lambda: order)
    assert order == [True, "cancelled"]


async def test_a_failing_runnable_ends_the_manager_with_its_error(api):
    async def fail():
        raise KaitoError("Broken", "it broke")

    async with Manager.connect("m", settings=api.settings) as manager:
        manager.add_runnable(fail)
        with pytest.raises(KaitoError, match="it broke"):
            await asyncio.wait_for(manager.run(), 5)


async def test_it_is_not_ready_before_its_caches_are_and_a_missing_kind_is_no_crash(api, until):
    api.discovery = False
    clock = VirtualClock()
    async with Manager.connect("m", settings=api.settings, clock=clock) as manager:
        manager.caching(THING)
        starting = asyncio.create_task(manager.start())
        await until(lambda: manager.metrics_port and clock.sleeping)
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{manager.metrics_port}/readyz"
            answer = await session.get(url)
            assert answer.status == 500
            assert "[-]caches failed" in await answer.text()
            api.discovery = True
            await clock.advance(2)
            await asyncio.wait_for(starting, 5)
            assert (await session.get(url)).status == 200


async def test_it_can_be_stopped_while_a_kind_is_missing(api, until):
    api.discovery = False
    async with Manager.connect("m", settings=api.settings) as manager:
        manager.add(Controller("c", Slow()).watching(THING))
        starting = asyncio.create_task(manager.start())
        await until(lambda: api.requests)
        await asyncio.wait_for(manager.stop(), 5)
        await asyncio.wait_for(starting, 5)


async def test_a_controller_added_late_begins_at_once(api, until):
    api.put("a")
    slow = Slow()
    async with Manager.connect("m", settings=api.settings) as manager:
        await manager.start()
        manager.add(Controller("c", slow).watching(THING))
        await until(lambda: slow.begun)
        slow.go.set()


@pytest.mark.parametrize("led", [True, False])
async def test_what_is_added_after_the_stop_is_refused(api, led):
    async def run():
        raise AssertionError("it never runs")

    async with Manager.connect("m", settings=api.settings) as manager:
        if led:
            await manager.start()
        await manager.stop()
        for add in (
            lambda: manager.add(Controller("c", Slow())),
            lambda: manager.add_runnable(run),
            lambda: manager.add_runnable(run, needs_leadership=False),
            lambda: manager.add_server(run),
            lambda: manager.add_cache(Cache(manager.client)),
        ):
            with pytest.raises(KaitoError, match="ManagerStopped"):
                add()


async def test_a_manager_is_started_once(api):
    async with Manager.connect("m", settings=api.settings) as manager:
        await manager.start()
        for _ in range(2):
            with pytest.raises(KaitoError, match="AlreadyStarted"):
                await manager.start()
            await manager.stop()


async def test_what_failed_first_is_raised_and_what_failed_at_the_stop_after_it_is_told_too(api):
    async def fail():
        raise KaitoError("Broken", "it broke")

    async def fail_at_the_end():
        try:
            await asyncio.Event().wait()
        finally:
            raise KaitoError("Stuck", "it would not stop")

    for leader in (True, False):
        async with Manager.connect("m", settings=api.settings) as manager:
            manager.add_runnable(fail_at_the_end, needs_leadership=leader)
            manager.add_runnable(fail, needs_leadership=not leader)
            with pytest.raises(KaitoError, match="it broke") as caught:
                await asyncio.wait_for(manager.run(), 5)
            assert "it would not stop" in "".join(caught.value.__notes__)


async def test_a_failure_at_the_stop_alone_is_raised(api):
    async def fail_at_the_end():
        try:
            await asyncio.Event().wait()
        finally:
            raise KaitoError("Stuck", "it would not stop")

    async with Manager.connect("m", settings=api.settings) as manager:
        manager.add_runnable(fail_at_the_end)
        await manager.start()
        with pytest.raises(KaitoError, match="it would not stop"):
            await manager.stop()


async def test_two_controllers_of_one_name_are_refused(api):
    async with Manager.connect("m", settings=api.settings) as manager:
        manager.add(Controller("c", Slow()))
        with pytest.raises(KaitoError, match="NameTaken"):
            manager.add(Controller("c", Slow()))


async def test_events_are_written_before_it_ends(api):
    thing = api.put("a")
    async with Manager.connect("m", settings=api.settings) as manager:
        await manager.start()
        manager.events.record(thing, "Normal", "Made", "made it")
    events = [obj for path, obj in api.objects.items() if "/events/" in path]
    assert [event["reason"] for event in events] == ["Made"]


async def test_events_that_nobody_takes_hold_its_end_up_for_five_seconds_at_most(api, until):
    thing, clock = api.put("a"), VirtualClock()
    async with Manager.connect("m", settings=api.settings, clock=clock) as manager:
        await manager.start()
        await api.stop()
        manager.events.record(thing, "Normal", "Made", "made it")
        await until(lambda: clock.sleeping)
        stopping = asyncio.create_task(manager.stop())
        await clock.advance(4.9)
        assert not stopping.done()
        await clock.advance(0.2)
        await asyncio.wait_for(stopping, 5)


@pytest.mark.parametrize("elected", [True, False])
async def test_it_leaves_no_task_socket_or_thread_behind_also_with_events_to_write(api, until, elected):
    """What is left behind fails every test here."""
    thing = api.put("a")
    slow, controller = Slow(), Controller("c", Slow()).watching(THING)
    slow.go.set()
    async with Manager.connect("m", settings=api.settings) as manager:
        if elected:
            manager.elect("ns")
        manager.add(controller)
        manager.add(Controller("d", slow).watching(THING))
        await manager.start()
        manager.add_runnable(asyncio.Event().wait)
        if not elected:
            await until(lambda: slow.ended)
        manager.events.record(thing, "Normal", "Made", "made it")
        controller.enqueue(Key("ns", "later"), after=100)
        controller._reconciler.go.set()


async def test_what_is_cached_has_defaults(api):
    api.put("a")
    api.put("b", collection="/apis/example.org/v1/namespaces/other/things")
    async with Manager.connect("m", settings=api.settings, cache_defaults=Selection("ns")) as manager:
        manager.caching(THING)
        await manager.start()
        assert [entry.key.name for entry in manager.cache.entries(THING)] == ["a"]


async def test_an_idle_manager_makes_no_request(api, until):
    api.put("a")
    slow, clock = Slow(), VirtualClock()
    slow.go.set()
    async with Manager.connect("m", settings=api.settings, clock=clock) as manager:
        manager.add(Controller("c", slow).watching(THING))
        await manager.start()
        await until(lambda: slow.ended and api.watches)
        count = len(api.requests)
        await clock.advance(3_600)
        assert clock.next_wake > 7 * 3_600  # nobody sleeps but the resync
        assert len(api.requests) == count
