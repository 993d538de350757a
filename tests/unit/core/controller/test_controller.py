"""Workers, on virtual time, with a cache that the test fills."""

import asyncio

import pytest

from kaito.core import DONE, ConflictError, Controller, KaitoError, Key, Result, Status, WorkQueue, classic_queue
from kaito.core.client.writes import Write, record

A, B = Key("ns", "a"), Key("ns", "b")


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
        (Result(requeue=True), 0.005, {"reconcile_total:requeue": 1, "reconcile_errors_total": 0}),
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


@pytest.mark.parametrize(
    ("answer", "again_after", "failures"),
    [
        (DONE, None, 0),
        (Result(requeue_after=30), 30, 0),
        (Result(requeue=True), 0.02, 3),
        (KaitoError("R", "m"), 0.02, 3),
        (KaitoError("R", "m", retry_after=9), 9, 2),
        (KaitoError("R", "m", terminal=True), None, 2),
    ],
)
async def test_what_a_result_does_to_the_back_off_of_a_key_that_failed_twice(
    controller, scripted, cache, clock, answer, again_after, failures
):
    cache.synced.set()
    scripted.answers[A] = KaitoError("R", "m")
    controller.enqueue(A)
    await clock.advance(0.005)
    scripted.answers[A] = answer
    await clock.advance(0.01)
    assert len(scripted.runs) == 3
    assert controller._queue.failures(A) == failures
    assert controller._queue._order.next_ready_at() == (again_after and pytest.approx(0.015 + again_after))


@pytest.mark.parametrize(
    ("answer", "priority"),
    [
        (KaitoError("R", "m"), 5),
        (KaitoError("R", "m", retry_after=0.005), 5),
        (Result(requeue_after=0.005), 5),
        (Result(requeue=True), 5),
        (Result(requeue_after=0.005, priority=-7), -7),
        (Result(requeue=True, priority=9), 9),
    ],
)
async def test_a_key_comes_back_with_its_priority_unless_the_result_says_another(
    controller, scripted, cache, clock, registry, answer, priority
):
    cache.synced.set()
    scripted.answers[A] = answer
    controller.enqueue(A, priority=5)
    await clock.settle()
    controller.shut_down()
    assert controller._queue._order.ripen(1) == 1
    labels = {"name": "c", "controller": "c", "priority": str(priority)}
    assert registry.get_sample_value("workqueue_depth", labels) == 1


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
    assert cache.waits == [(Write("v1", "ConfigMap", A, "7"),)]
    cache.seen.set()
    await clock.settle()
    assert scripted.runs == [A, B, A]


async def test_nothing_is_done_on_a_cache_known_as_old_and_the_key_is_tried_again(
    controller, scripted, cache, clock, registry
):
    cache.synced.set()
    cache.timely = False
    scripted.answers[A] = writing()
    controller.enqueue(A)
    await clock.settle()
    controller.enqueue(A)
    await clock.advance(0.012)
    assert scripted.runs == [A]
    assert registry.get_sample_value("kaito_core_cache_barrier_timeouts_total", {"controller": "c"}) == 2
    cache.timely = True
    cache.seen.set()
    await clock.advance(0.02)
    assert scripted.runs == [A, A]


async def test_writes_count_also_when_the_reconcile_failed_after_them(controller, scripted, cache, clock):
    cache.synced.set()
    scripted.answers[A] = writing(KaitoError("R", "m"))
    controller.enqueue(A)
    await clock.advance(0.006)
    assert len(cache.waits) == 1
    cache.seen.set()


@pytest.mark.parametrize(("queue", "first"), [(WorkQueue, "urgent"), (classic_queue, "early")])
async def test_a_controller_has_the_queue_that_was_chosen(scripted, surroundings, cache, clock, queue, first):
    made = Controller("chosen", scripted, workers=1, queue=queue)
    made.enqueue(Key("ns", "early"))
    made.enqueue(Key("ns", "urgent"), priority=5)
    made.bind(surroundings)
    cache.synced.set()
    running = asyncio.create_task(made.run())
    await clock.settle()
    assert scripted.runs[0] == Key("ns", first)
    assert len(scripted.runs) == 2
    made.shut_down()
    await running


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


async def test_keys_enqueued_before_it_joins_a_manager_are_kept(clock, cache, surroundings, scripted, thing):
    made = Controller("c", scripted).watching(thing)
    made.enqueue(A)
    made.bind(surroundings)
    cache.synced.set()
    running = asyncio.create_task(made.run())
    await clock.settle()
    assert scripted.runs == [A]
    made.shut_down()
    await running


def test_owning_needs_something_watched(scripted, thing):
    with pytest.raises(KaitoError, match="NothingWatched"):
        Controller("c", scripted).owning(thing)


async def test_all_metrics_are_there_from_the_start(controller, metric):
    for result in ("error", "requeue_after", "requeue", "success"):
        assert metric("reconcile_total", result=result) == 0
    assert metric("max_concurrent_reconciles") == 2
