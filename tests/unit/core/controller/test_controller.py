"""Workers, on virtual time, with a cache that the test fills."""

import asyncio

import orjson
import pytest
from prometheus_client import CollectorRegistry

from kaito.core import DONE, ConflictError, Controller, KaitoError, Key, Kind, Result, Status
from kaito.core.cache.entry import Event, read_entry
from kaito.core.client.writes import Write, record
from kaito.core.controller import ControllerMetricFamilies, Surroundings
from kaito.testing import VirtualClock

THING = Kind("example.org/v1", "Thing", dict, "things", True)
A, B = Key("ns", "a"), Key("ns", "b")


class FakeCache:
    """Subscriptions and own writes; no server."""

    def __init__(self):
        self.handlers, self.synced, self.seen = [], asyncio.Event(), asyncio.Event()
        self.waits = []
        self.timely = True

    def subscribe(self, _kind, handler):
        self.handlers.append(handler)

    async def wait_for_sync(self, _kinds):
        await self.synced.wait()

    def shows(self, _writes):
        return self.seen.is_set()

    async def wait_for_writes(self, writes, within):
        self.waits.append((tuple(writes), within))
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
async def controller(clock, cache, registry):
    made = Controller("c", Scripted(), workers=2, timeout=60).watching(THING)
    made.bind(Surroundings(None, cache, clock, ControllerMetricFamilies(registry)))
    running = asyncio.create_task(made.run())
    await clock.settle()
    yield made
    made.shut_down()
    await asyncio.wait_for(running, 5)


@pytest.fixture
def scripted(controller):
    return controller._reconciler


@pytest.fixture
def metric(registry):
    def value(name, **labels):
        return registry.get_sample_value(f"controller_runtime_{name}", {"controller": "c", **labels})

    return value


async def test_nothing_is_reconciled_before_everything_was_listed(controller, scripted, cache, clock):
    cache.emit("a", initial=True)
    await clock.settle()
    assert scripted.runs == []
    cache.synced.set()
    await clock.settle()
    assert scripted.runs == [A]


async def test_what_was_there_waits_behind_what_changes(controller, scripted, cache, clock):
    for number in range(4):
        cache.emit(f"old{number}", initial=True)
    cache.emit("new")
    cache.synced.set()
    await clock.settle()
    assert scripted.runs[0] == Key("ns", "new")
    assert len(scripted.runs) == 5


@pytest.mark.parametrize(
    ("answer", "again_after", "metrics"),
    [
        (DONE, None, {"reconcile_total:success": 1, "reconcile_errors_total": 0}),
        (Result(requeue_after=30), 30, {"reconcile_total:requeue_after": 1, "reconcile_errors_total": 0}),
        (KaitoError("R", "m"), 0.005, {"reconcile_total:error": 1, "reconcile_errors_total": 1}),
        (KaitoError("R", "m", retry_after=9), 9, {"reconcile_errors_total": 1, "reconcile_panics_total": 0}),
        (
            KaitoError("R", "m", terminal=True),
            None,
            {"reconcile_total:error": 1, "reconcile_errors_total": 1, "terminal_reconcile_errors_total": 1},
        ),
        (ValueError("bug"), 0.005, {"reconcile_panics_total": 1, "reconcile_errors_total": 1}),
        (ConflictError(Status(409, "Conflict", "x")), 0.005, {"reconcile_panics_total": 0}),
    ],
)
async def test_what_a_result_does_to_its_key(controller, scripted, cache, clock, metric, answer, again_after, metrics):
    cache.synced.set()
    scripted.answers[A] = answer
    controller.enqueue(A)
    await clock.settle()
    for name, value in metrics.items():
        name, _, label = name.partition(":")
        assert metric(name, **({"result": label} if label else {})) == value, name
    scripted.answers[A] = DONE
    if again_after is None:
        await clock.advance(2_000)
        assert len(scripted.runs) == 1
    else:
        await clock.advance(again_after * 0.9)
        assert len(scripted.runs) == 1
        await clock.advance(again_after * 0.2)
        assert len(scripted.runs) == 2


async def test_failures_back_off_and_success_starts_over(controller, scripted, cache, clock):
    cache.synced.set()
    scripted.answers[A] = KaitoError("R", "m")
    controller.enqueue(A)
    await clock.advance(0.005 * (2**10 - 1) + 0.001)
    assert len(scripted.runs) == 11
    scripted.answers[A] = DONE
    await clock.advance(6)
    assert controller._queue.failures(A) == 0


async def test_a_reconcile_that_takes_too_long_is_ended_counted_and_tried_again(
    controller, scripted, cache, clock, metric
):
    cache.synced.set()
    scripted.answers[A] = asyncio.Event().wait
    controller.enqueue(A)
    await clock.advance(61)
    assert metric("reconcile_timeouts_total") == 1
    assert len(scripted.runs) == 2
    scripted.answers[A] = DONE
    await clock.advance(61)


async def test_a_time_out_of_the_reconcilers_own_is_not_counted_as_ours(controller, scripted, cache, clock, metric):
    cache.synced.set()
    scripted.answers[A] = TimeoutError("theirs")
    controller.enqueue(A)
    await clock.settle()
    assert metric("reconcile_timeouts_total") == 0
    assert metric("reconcile_panics_total") == 1


async def test_a_stuck_key_does_not_hold_up_others(controller, scripted, cache, clock, metric):
    cache.synced.set()
    scripted.answers[A] = asyncio.Event().wait
    controller.enqueue(A)
    await clock.settle()
    controller.enqueue(A)
    controller.enqueue(B)
    await clock.settle()
    assert scripted.runs == [A, B]
    assert metric("active_workers") == 1
    scripted.answers[A] = DONE
    await clock.advance(61)


def writing(answer=DONE):
    async def reconcile():
        record(Write("v1", "ConfigMap", A, "7"))
        return answer

    return reconcile


async def test_a_key_waits_until_the_cache_shows_what_it_wrote(controller, scripted, cache, clock):
    cache.synced.set()
    scripted.answers[A] = writing()
    controller.enqueue(A)
    await clock.settle()
    controller.enqueue(A)
    controller.enqueue(B)
    await clock.settle()
    assert scripted.runs == [A, B]
    assert cache.waits == [((Write("v1", "ConfigMap", A, "7"),), 5.0)]
    cache.seen.set()
    await clock.settle()
    assert scripted.runs == [A, B, A]


async def test_a_cache_that_lags_is_counted_and_not_waited_for_for_ever(controller, scripted, cache, clock, registry):
    cache.synced.set()
    cache.timely = False
    scripted.answers[A] = writing()
    controller.enqueue(A)
    await clock.settle()
    controller.enqueue(A)
    await clock.settle()
    assert scripted.runs == [A, A]
    assert registry.get_sample_value("kaito_core_cache_barrier_timeouts_total", {"controller": "c"}) == 1


async def test_writes_count_also_when_the_reconcile_failed_after_them(controller, scripted, cache, clock):
    cache.synced.set()
    scripted.answers[A] = writing(KaitoError("R", "m"))
    controller.enqueue(A)
    await clock.advance(0.006)
    assert len(cache.waits) == 1
    cache.seen.set()


async def test_shutdown_lets_the_current_reconcile_end_and_starts_no_other(controller, scripted, cache, clock):
    cache.synced.set()
    go = asyncio.Event()
    scripted.answers[A] = lambda: _then(go)
    controller.enqueue(A)
    await clock.settle()
    controller.shut_down()
    controller.enqueue(B)
    go.set()
    await clock.settle()
    assert scripted.runs == [A]


async def _then(event):
    await event.wait()
    return DONE


async def test_keys_enqueued_before_it_joins_a_manager_are_kept(clock, cache, registry):
    made = Controller("c", Scripted()).watching(THING)
    made.enqueue(A)
    made.bind(Surroundings(None, cache, clock, ControllerMetricFamilies(registry)))
    cache.synced.set()
    running = asyncio.create_task(made.run())
    await clock.settle()
    assert made._reconciler.runs == [A]
    made.shut_down()
    await running


async def test_shutdown_ends_a_controller_that_still_waits_for_its_kinds(clock, cache, registry):
    made = Controller("c", Scripted()).watching(THING)
    made.bind(Surroundings(None, cache, clock, ControllerMetricFamilies(registry)))
    running = asyncio.create_task(made.run())
    await clock.settle()
    made.shut_down()
    await asyncio.wait_for(running, 1)


def test_owning_needs_something_watched():
    with pytest.raises(KaitoError, match="NothingWatched"):
        Controller("c", Scripted()).owning(THING)


async def test_all_metrics_are_there_from_the_start(controller, metric):
    for result in ("error", "requeue_after", "requeue", "success"):
        assert metric("reconcile_total", result=result) == 0
    assert metric("max_concurrent_reconciles") == 2
