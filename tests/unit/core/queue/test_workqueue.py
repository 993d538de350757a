"""The queue waits, delays and retries on a clock that the test moves."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from kaito.core.queue import QueueMetricFamilies, QueueMetrics, WorkQueue
from kaito.testing import VirtualClock

LABELS = {"name": "q", "controller": "q"}


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
async def queue(clock, registry):
    made = WorkQueue(clock, QueueMetrics(QueueMetricFamilies(registry), "q", clock.monotonic))
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


async def test_drained_waits_for_the_last_key_in_work(queue, clock):
    queue.add("a")
    await take(queue)
    queue.shut_down()
    draining = asyncio.create_task(queue.drained())
    await clock.settle()
    assert not draining.done()
    queue.done("a")
    await draining


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


async def test_metrics_follow_a_script(queue, clock, registry):
    def value(name, **more):
        return registry.get_sample_value(name, {**LABELS, **more})

    queue.add("a")
    queue.add("a")
    queue.add("b", priority=-100)
    queue.add("later", after=50)
    assert value("workqueue_adds_total") == 2
    assert value("workqueue_retries_total") == 1
    assert value("workqueue_depth", priority="0") == 1
    assert value("workqueue_depth", priority="-100") == 1
    await clock.advance(3)
    assert await take(queue) == "a"
    assert value("workqueue_depth", priority="0") == 0
    assert value("workqueue_queue_duration_seconds_sum") == 3
    await clock.advance(2)
    assert value("workqueue_unfinished_work_seconds") == 2
    assert value("workqueue_longest_running_processor_seconds") == 2
    queue.done("a")
    assert value("workqueue_work_duration_seconds_sum") == 2
    assert value("workqueue_longest_running_processor_seconds") == 0


def test_depth_has_a_bounded_number_of_priorities(registry, clock):
    metrics = QueueMetrics(QueueMetricFamilies(registry), "q", clock.monotonic)
    for priority in range(40):
        metrics.gained(priority)
    labels = {s.labels["priority"] for f in registry.collect() for s in f.samples if s.name == "workqueue_depth"}
    assert len(labels) == 26
    assert registry.get_sample_value("workqueue_depth", {**LABELS, "priority": "exceeded_cardinality_limit"}) == 15
