"""What the queue tells Prometheus, under controller-runtime's names."""

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
def queue(clock, registry):
    return WorkQueue(clock, QueueMetrics(QueueMetricFamilies(registry), "q", clock.monotonic))


@pytest.fixture
def value(registry):
    return lambda name, **more: registry.get_sample_value(f"workqueue_{name}", {**LABELS, **more})


async def take(queue):
    return (await queue.get()).key


async def test_adds_and_depth_count_a_key_once_and_only_when_it_is_ready(queue, value, clock):
    queue.add("a")
    queue.add("a")
    queue.add("low", priority=-100)
    queue.add("later", after=50)
    assert (value("adds_total"), value("retries_total")) == (2, 1)
    assert (value("depth", priority="0"), value("depth", priority="-100")) == (1, 1)
    await clock.advance(50)
    queue.add("later")
    assert (value("adds_total"), value("depth", priority="0")) == (3, 2)


async def test_a_raise_moves_a_key_to_the_depth_of_its_new_priority_and_is_no_add(queue, value):
    queue.add("a", priority=-100)
    queue.add("a")
    assert value("adds_total") == 1
    assert (value("depth", priority="-100"), value("depth", priority="0")) == (0, 1)


async def test_waiting_and_working_are_measured_apart(queue, value, clock):
    queue.add("a")
    await clock.advance(3)
    await take(queue)
    assert value("depth", priority="0") == 0
    assert (value("queue_duration_seconds_count"), value("queue_duration_seconds_sum")) == (1, 3)
    await clock.advance(2)
    assert value("unfinished_work_seconds") == 2
    assert value("longest_running_processor_seconds") == 2
    queue.done("a")
    assert (value("work_duration_seconds_count"), value("work_duration_seconds_sum")) == (1, 2)
    assert value("longest_running_processor_seconds") == 0


async def test_work_in_progress_is_summed_and_the_longest_told(queue, value, clock):
    for key in "ab":
        queue.add(key)
        await take(queue)
        await clock.advance(5)
    assert value("unfinished_work_seconds") == 15
    assert value("longest_running_processor_seconds") == 10


async def test_what_is_said_of_work_in_progress_stands_still_after_shutdown(queue, value, clock):
    queue.add("a")
    await take(queue)
    await clock.advance(4)
    queue.shut_down()
    await clock.advance(4)
    assert (value("unfinished_work_seconds"), value("longest_running_processor_seconds")) == (4, 4)
    queue.done("a")
    assert value("work_duration_seconds_sum") == 8


def test_depth_has_a_bounded_number_of_priorities(queue, value, registry):
    for priority in range(40):
        queue.add(priority, priority=priority)
    labels = {s.labels["priority"] for f in registry.collect() for s in f.samples if s.name == "workqueue_depth"}
    assert len(labels) == 26
    assert value("depth", priority="24") == 1
    assert value("depth", priority="exceeded_cardinality_limit") == 15


def test_durations_have_twelve_buckets_of_ten_nanoseconds_to_a_thousand_seconds(queue, registry):
    for name in ("queue_duration", "work_duration"):
        bounds = [
            float(sample.labels["le"])
            for family in registry.collect()
            for sample in family.samples
            if sample.name == f"workqueue_{name}_seconds_bucket"
        ]
        assert bounds == pytest.approx([10.0**power for power in range(-8, 4)] + [float("inf")])


def test_every_series_is_there_at_nought_before_the_first_key(queue, value):
    assert value("depth", priority="0") == 0
    for name in (
        "adds_total",
        "retries_total",
        "queue_duration_seconds_count",
        "work_duration_seconds_count",
        "unfinished_work_seconds",
        "longest_running_processor_seconds",
    ):
        assert value(name) == 0, name


def test_a_queue_without_a_name_has_no_metrics(clock, registry):
    WorkQueue(clock).add("a")
    assert list(registry.collect()) == []
