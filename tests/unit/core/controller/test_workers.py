"""What can go wrong in a reconcile: panics, limits of time, cancellations; and what its log lines say."""

import asyncio
import io
import itertools
import uuid

import orjson
import pytest
import structlog

from kaito.core import DONE, Controller, KaitoError, Key
from kaito.core.controller import reconcile_id
from kaito.core.logs import _add_context

A, B = Key("ns", "a"), Key("ns", "b")


@pytest.fixture
async def start(scripted, surroundings, cache, clock):
    """Start a controller with options; returns its task."""
    tasks = []

    async def begin(**options):
        cache.synced.set()
        made = Controller("c", scripted, workers=1, **options)
        made.bind(surroundings)
        made.enqueue(A)
        tasks.append(asyncio.create_task(made.run()))
        await clock.settle()
        return made, tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_panic_is_counted_and_the_worker_lives_on(start, scripted, clock, metric):
    scripted.answers[A] = ZeroDivisionError("bug")
    made, _ = await start()
    made.enqueue(B)
    await clock.settle()
    assert scripted.runs == [A, B]
    assert (metric("reconcile_panics_total"), metric("reconcile_total", result="error")) == (1, 1)


async def test_a_panic_that_is_not_to_be_recovered_ends_the_controller(start, scripted, metric):
    scripted.answers[A] = ZeroDivisionError("bug")
    _, running = await start(recover_panics=False)
    with pytest.raises(ExceptionGroup) as caught:
        await running
    assert caught.value.subgroup(ZeroDivisionError)
    assert metric("reconcile_panics_total") == 1


async def test_an_error_with_a_name_is_no_panic_and_ends_nothing(start, scripted, metric):
    scripted.answers[A] = KaitoError("R", "m")
    _, running = await start(recover_panics=False)
    assert not running.done()
    assert (metric("reconcile_panics_total"), metric("reconcile_errors_total")) == (0, 1)


async def stuck():
    await asyncio.Event().wait()


async def swallowing():
    try:
        await stuck()
    except asyncio.CancelledError:
        return DONE


async def failing():
    try:
        await stuck()
    except asyncio.CancelledError as cancelled:
        raise KaitoError("Cleanup", "the clean-up failed") from cancelled


@pytest.mark.parametrize(("answer", "result"), [(stuck, "error"), (swallowing, "success"), (failing, "error")])
async def test_our_limit_of_time_is_counted_however_the_reconciler_takes_it(
    start, scripted, clock, metric, answer, result
):
    scripted.answers[A] = answer
    await start(timeout=10)
    await clock.advance(10)
    assert metric("reconcile_timeouts_total") == 1
    assert metric("reconcile_total", result=result) == 1


async def test_the_end_of_the_controller_is_no_timeout(start, scripted, clock, metric):
    scripted.answers[A] = stuck
    _, running = await start(timeout=10)
    await clock.advance(5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert (metric("reconcile_timeouts_total"), metric("reconcile_total", result="error")) == (0, 0)


async def test_the_end_of_the_controller_at_the_very_moment_of_the_limit_is_no_timeout(start, scripted, clock, metric):
    async def end_with_it():
        try:
            await stuck()
        except asyncio.CancelledError:
            running.cancel()  # before the limit's own cancellation has become a timeout
            raise

    scripted.answers[A] = end_with_it
    _, running = await start(timeout=10)
    await clock.advance(10)
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert metric("reconcile_total", result="success") == 0


async def test_a_reconciler_that_cancels_what_it_waits_for_fails_and_its_worker_lives_on(
    start, scripted, clock, metric
):
    async def cancel_own():
        task = asyncio.create_task(stuck())
        await asyncio.sleep(0)
        task.cancel()
        await task

    scripted.answers[A] = cancel_own
    made, _ = await start()
    made.enqueue(B)
    await clock.settle()
    assert B in scripted.runs
    assert metric("reconcile_timeouts_total") == 0
    assert metric("reconcile_total", result="error") == 1


@pytest.mark.parametrize("limit", [None, 0])
async def test_without_a_limit_a_reconcile_may_take_for_ever(start, scripted, clock, metric, limit):
    scripted.answers[A] = stuck
    await start(timeout=limit)
    await clock.advance(100_000)
    assert metric("reconcile_timeouts_total") == 0
    assert metric("active_workers") == 1


async def test_a_reconcile_that_ends_in_time_is_not_counted_and_leaves_no_alarm(start, scripted, clock, metric):
    async def slow():
        await clock.sleep(9)
        return DONE

    scripted.answers[A] = slow
    await start(timeout=10)
    await clock.advance(9)
    assert metric("reconcile_total", result="success") == 1
    await clock.advance(10)
    assert (metric("reconcile_timeouts_total"), clock.sleeping) == (0, 0)


async def test_a_time_out_of_the_reconcilers_own_is_a_panic_and_not_ours(start, scripted, clock, metric):
    async def own():
        async with asyncio.timeout(0):
            await stuck()

    scripted.answers[A] = own
    await start(timeout=10)
    assert (metric("reconcile_timeouts_total"), metric("reconcile_panics_total")) == (0, 1)


async def test_others_get_their_turn_while_reconciles_never_wait(start, clock, cache, scripted, surroundings):
    ticks = []
    step = 0.002
    clock.monotonic = lambda: len(scripted.runs) * step

    async def tick():
        while len(scripted.runs) < 30:
            ticks.append(len(scripted.runs))
            await asyncio.sleep(0)

    made = Controller("many", scripted, workers=1)
    made.bind(surroundings)
    for number in range(30):
        made.enqueue(Key("ns", str(number)))
    cache.synced.set()
    ticking = asyncio.create_task(tick())
    running = asyncio.create_task(made.run())
    await ticking
    made.shut_down()
    await running
    gaps = [after - before for before, after in itertools.pairwise(ticks)]
    assert max(gaps) <= 4


async def test_each_reconcile_has_an_id_of_its_own_in_its_log_lines_and_those_of_its_tasks(start, scripted, clock):
    lines, ids = io.BytesIO(), []
    logger = structlog.wrap_logger(
        structlog.BytesLogger(lines),
        processors=[_add_context, structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event))],
    )

    async def deeper():
        logger.info("deeper")

    async def logging():
        ids.append(reconcile_id())
        logger.info("here")
        await asyncio.create_task(deeper())
        return DONE

    scripted.answers[A] = scripted.answers[B] = logging
    made, _ = await start()
    made.enqueue(B)
    await clock.settle()
    said = [orjson.loads(line) for line in lines.getvalue().splitlines()]
    assert [(line["controller"], line["namespace"], line["name"]) for line in said] == [
        ("c", "ns", "a"),
        ("c", "ns", "a"),
        ("c", "ns", "b"),
        ("c", "ns", "b"),
    ]
    assert [line["reconcileID"] for line in said] == [ids[0], ids[0], ids[1], ids[1]]
    assert ids[0] != ids[1]
    assert str(uuid.UUID(ids[0])) == ids[0]


def test_outside_of_a_reconcile_there_is_no_id():
    assert reconcile_id() == ""
