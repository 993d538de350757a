"""How a controller starts: its sources, then leadership, then its workers."""

import asyncio

import pytest

from kaito.core import Controller, KaitoError, Key
from kaito.core.controller import FuncSource

A, B = Key("ns", "a"), Key("ns", "b")


@pytest.fixture
def bound(scripted, surroundings, thing):
    made = Controller("c", scripted).watching(thing)
    made.bind(surroundings)
    return made


async def reason_of(running):
    """The error that ended a controller."""
    with pytest.raises(ExceptionGroup) as caught:
        await running
    (error,) = caught.value.exceptions
    return error


async def test_its_kinds_are_cached_before_it_runs(bound, cache, thing):
    assert cache.registered == [thing]
    assert cache.handlers == []


async def test_a_source_that_does_not_start_in_time_ends_it_by_name(bound, clock):
    bound.fed_by(FuncSource("a clock", no_start))
    running = asyncio.create_task(bound.run())
    await clock.advance(119)
    assert not running.done()
    await clock.advance(2)
    error = await reason_of(running)
    assert error.reason == "SourcesNotStarted"
    assert "controller c: Thing.example.org/v1, a clock not there after 120 s" in error.message


async def no_start(_queue, _around, _started):
    await asyncio.Event().wait()


async def test_a_source_that_fails_ends_it_by_name(bound, clock):
    async def broken(_queue, _around, _started):
        raise ValueError("no such port")

    bound.fed_by(FuncSource("socket", broken))
    error = await reason_of(asyncio.create_task(bound.run()))
    assert (error.reason, error.message) == ("SourceFailed", "controller c: source socket failed: no such port")


async def test_shutdown_before_the_sources_have_started_is_no_error(bound, clock, scripted):
    running = asyncio.create_task(bound.run())
    await clock.settle()
    bound.shut_down()
    await asyncio.wait_for(running, 5)
    assert scripted.runs == []


async def test_cancellation_before_the_sources_have_started_passes_through(bound, clock):
    running = asyncio.create_task(bound.run())
    await clock.settle()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()


async def test_it_runs_until_it_is_shut_down_and_not_a_second_time(bound, cache, clock):
    cache.synced.set()
    running = asyncio.create_task(bound.run())
    await clock.advance(1_000)
    assert not running.done()
    with pytest.raises(KaitoError, match="AlreadyStarted"):
        await bound.run()
    bound.shut_down()
    await running
    with pytest.raises(KaitoError, match="AlreadyStarted"):
        await bound.run()


async def test_a_controller_that_was_shut_down_before_it_ran_does_nothing(bound, cache, scripted):
    cache.synced.set()
    bound.enqueue(A)
    bound.shut_down()
    await bound.run()
    assert scripted.runs == []


def test_two_controllers_of_a_name_are_refused(bound, scripted, surroundings):
    with pytest.raises(KaitoError, match="NameTaken"):
        Controller("c", scripted).bind(surroundings)


async def test_nothing_is_reconciled_before_every_source_has_put_in_what_was_there(bound, cache, clock, scripted):
    go = asyncio.Event()

    async def slow(queue, _around, started):
        await go.wait()
        queue.add(B, priority=1)
        started()

    bound.fed_by(FuncSource("slow", slow))
    running = asyncio.create_task(bound.run())
    await clock.settle()
    cache.emit("a", initial=True)
    cache.synced.set()
    await clock.settle()
    assert scripted.runs == []
    go.set()
    await clock.settle()
    assert scripted.runs == [B, A]
    bound.shut_down()
    await running


async def test_a_source_that_is_added_while_it_runs_begins_at_once(controller, cache, clock, scripted):
    cache.synced.set()
    await clock.settle()

    async def once(queue, _around, _started):
        queue.add(B)

    controller.fed_by(FuncSource("late", once))
    await clock.settle()
    assert scripted.runs == [B]


async def test_sources_are_stopped_with_it(bound, cache, clock):
    ended = asyncio.Event()

    async def lasting(_queue, _around, started):
        started()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    cache.synced.set()
    bound.fed_by(FuncSource("lasting", lasting))
    running = asyncio.create_task(bound.run())
    await clock.settle()
    bound.shut_down()
    await running
    assert ended.is_set()


async def test_with_a_warm_up_the_queue_is_full_before_leadership_and_the_workers_come_after_it(
    bound, cache, clock, scripted
):
    elected = asyncio.Event()
    running = asyncio.create_task(bound.run(elected))
    await clock.settle()
    cache.emit("a", initial=True)
    cache.synced.set()
    await clock.advance(1_000)
    assert (scripted.runs, len(bound._queue)) == ([], 1)
    elected.set()
    await clock.settle()
    assert scripted.runs == [A]
    assert len(cache.handlers) == 1
    bound.shut_down()
    await running


async def test_a_warm_up_that_is_never_elected_ends_at_shutdown(bound, cache, clock, scripted):
    cache.synced.set()
    running = asyncio.create_task(bound.run(asyncio.Event()))
    await clock.settle()
    cache.emit("a")
    bound.shut_down()
    await asyncio.wait_for(running, 5)
    assert scripted.runs == []


async def test_sources_that_do_not_start_end_a_warm_up_too(bound, clock):
    running = asyncio.create_task(bound.run(asyncio.Event()))
    await clock.advance(121)
    assert (await reason_of(running)).reason == "SourcesNotStarted"
