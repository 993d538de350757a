"""The queue waits, delays, retries and ends, on a clock that the test moves."""

import asyncio

import pytest

from kaito.core.queue import WorkQueue, classic_queue
from kaito.testing import VirtualClock


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
async def queue(clock):
    made = WorkQueue(clock)
    running = asyncio.create_task(made.run())
    await clock.settle()
    yield made
    made.shut_down()
    await running


async def take(queue):
    item = await queue.get()
    return None if item is None else item.key


async def test_many_workers_never_share_a_key_and_miss_none(queue, clock):
    working, served = set(), []

    async def work():
        while (key := await take(queue)) is not None:
            assert key not in working
            working.add(key)
            await clock.sleep(0)
            working.discard(key)
            served.append(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(5)]
    for number in range(200):
        queue.add(number % 20)
        await clock.sleep(0)
    await clock.settle()
    queue.shut_down()
    await asyncio.gather(*workers)
    assert set(served) == set(range(20))


async def test_adds_while_a_key_runs_collapse_to_one_more_run(queue):
    queue.add("a")
    await take(queue)
    for _ in range(3):
        queue.add("a")
    queue.done("a")
    assert await take(queue) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_a_delayed_key_comes_at_its_time_and_an_earlier_one_overtakes_it(queue, clock):
    queue.add("late", after=10)
    await clock.settle()
    queue.add("early", after=2)
    getting = asyncio.create_task(take(queue))
    await clock.advance(1.9)
    assert not getting.done()
    await clock.advance(0.2)
    assert await getting == "early"
    getting = asyncio.create_task(take(queue))
    await clock.advance(7.8)
    assert not getting.done()
    await clock.advance(0.2)
    assert await getting == "late"
    queue.done("early")
    queue.done("late")


async def test_retries_wait_longer_each_time_until_forgotten(queue):
    assert [queue.retry("a") for _ in range(3)] == pytest.approx([0.005, 0.01, 0.02])
    assert queue.failures("a") == 3
    queue.forget("a")
    assert queue.retry("a") == pytest.approx(0.005)


async def test_shutdown_wakes_those_who_wait_and_takes_nothing_more(queue, clock):
    waiting = [asyncio.create_task(take(queue)) for _ in range(3)]
    await clock.settle()
    queue.shut_down()
    assert await asyncio.gather(*waiting) == [None, None, None]
    queue.add("a")
    assert len(queue) == 0
    assert await take(queue) is None


async def test_what_waits_is_dropped_at_shutdown_and_the_key_in_work_is_not_waited_for(queue):
    queue.add("working")
    await take(queue)
    queue.add("waiting")
    queue.shut_down()
    assert await take(queue) is None
    queue.done("working")


async def test_a_shutdown_that_delivers_hands_out_what_is_ready_then_tells_every_waiter(queue, clock):
    queue.add("a")
    queue.add("b")
    queue.add("later", after=5)
    queue.shut_down(deliver=True)
    queue.add("too late")
    assert [await take(queue), await take(queue)] == ["a", "b"]
    assert [await take(queue) for _ in range(3)] == [None, None, None]


async def test_drain_returns_only_after_the_last_key_in_work(queue, clock):
    queue.add("a")
    await take(queue)
    draining = asyncio.create_task(queue.drain())
    await clock.settle()
    assert not draining.done()
    queue.done("a")
    await draining


async def test_drain_waits_also_for_a_key_that_was_added_again_while_it_was_worked_on(queue, clock):
    queue.add("a")
    await take(queue)
    queue.add("a")
    draining = asyncio.create_task(queue.drain())
    waiting = asyncio.create_task(take(queue))
    await clock.settle()
    queue.done("a")
    await clock.settle()
    assert not draining.done()
    assert await waiting == "a"
    queue.done("a")
    await draining
    assert await take(queue) is None


async def test_drain_of_an_idle_queue_returns_at_once_and_lets_all_waiters_go(queue, clock):
    waiting = [asyncio.create_task(take(queue)) for _ in range(3)]
    await clock.settle()
    await queue.drain()
    assert await asyncio.gather(*waiting) == [None, None, None]


async def test_a_shutdown_after_a_drain_ends_the_wait_of_the_drain(queue, clock):
    queue.add("a")
    await take(queue)
    queue.add("b")
    draining = asyncio.create_task(queue.drain())
    await clock.settle()
    queue.shut_down()
    await draining
    assert await take(queue) is None


async def test_a_cancelled_waiter_passes_its_turn_on(queue, clock):
    first, second = asyncio.create_task(take(queue)), asyncio.create_task(take(queue))
    await clock.settle()
    queue.add("a")
    first.cancel()
    assert await second == "a"
    queue.done("a")


async def test_an_idle_queue_sleeps_without_a_timer(queue, clock):
    await clock.settle()
    assert clock.sleeping == 0


async def test_the_length_counts_what_is_ready_and_nothing_else(queue):
    queue.add("a")
    assert len(queue) == 1
    await take(queue)
    assert len(queue) == 0
    queue.add("b")
    queue.add("c")
    queue.add("b")
    queue.add("later", after=1)
    assert len(queue) == 2


async def test_a_waiter_is_served_as_soon_as_the_key_in_work_is_done(queue, clock):
    queue.add("a", priority=9)
    await take(queue)
    queue.add("a", priority=9)
    waiting = asyncio.create_task(take(queue))
    await clock.settle()
    assert not waiting.done()
    queue.done("a")
    assert await waiting == "a"


async def test_delays_that_come_out_of_order_go_in_order(queue, clock):
    for key, after in (("second", 2), ("third", 3), ("first", 1)):
        queue.add(key, after=after)
    await clock.advance(3)
    assert [await take(queue) for _ in range(3)] == ["first", "second", "third"]


async def test_a_retry_waits_the_shorter_of_its_back_off_and_what_was_asked_for(queue):
    assert queue.retry("a", after=9) == pytest.approx(0.005)
    for _ in range(12):
        queue.retry("a")
    assert queue.retry("a", after=9) == 9
    assert queue.failures("a") == 14


async def test_back_off_of_one_key_says_nothing_about_another(queue):
    for _ in range(5):
        queue.retry("a")
    assert queue.retry("b") == pytest.approx(0.005)


async def test_forgetting_a_key_leaves_it_in_the_queue(queue):
    queue.retry("a")
    queue.add("a")
    queue.forget("a")
    assert await take(queue) == "a"


async def test_without_priorities_the_first_to_come_is_the_first_to_go(clock):
    made = WorkQueue(clock, priorities=False)
    for key, priority in (("a", -100), ("b", 5), ("c", 0), ("b", 9)):
        made.add(key, priority=priority)
    assert [await take(made) for _ in range(3)] == ["a", "b", "c"]


async def test_with_strict_priorities_low_keys_wait_for_ever_and_with_ageing_they_do_not(clock):
    for ageing, starved in ((None, True), (8, False)):
        made = WorkQueue(clock, ageing=ageing)
        made.add("low", priority=-100)
        served = set()
        for number in range(100):
            made.add(number)
            served.add(await take(made))
        assert ("low" not in served) == starved


async def test_a_classic_queue_limits_all_retries_together(clock):
    made = classic_queue(clock)
    pauses = [made.retry(number) for number in range(102)]
    assert pauses[:100] == [0.005] * 100
    assert pauses[100:] == pytest.approx([0.1, 0.2])
