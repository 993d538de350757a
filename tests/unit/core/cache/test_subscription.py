"""Handlers: each hears of everything once and in order, and none of them holds up another."""

import asyncio
import random

import pytest
from structlog.testing import capture_logs

from kaito.core import KaitoError
from kaito.core.cache import slices, subscription
from kaito.testing import LoopClock, VirtualClock, run


def told(events):
    return [(event.type, event.key.name, event.initial) for event in events]


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(slices, "SLICE", 2)
    monkeypatch.setattr(subscription, "SLICE", 2)


async def settle():
    for _ in range(50):
        await asyncio.sleep(0)


def collector(events):
    async def collect(event):
        await asyncio.sleep(0)
        events.append(event)

    return collect


async def test_a_handler_that_joins_late_hears_what_is_there_marked_initial_then_what_happens(informer, entry, running):
    made = informer()
    async with running(made.run):
        await made.replace([entry("a"), entry("b")], "5", "")
        plain, slow = [], []
        subscriptions = made.subscribe(plain.append), made.subscribe(collector(slow))
        made.apply("MODIFIED", entry("a", 6))
        await settle()
        assert told(plain) == [("ADDED", "a", True), ("ADDED", "b", True), ("MODIFIED", "a", False)]
        assert told(slow) == told(plain)
        assert all(one.synced.is_set() for one in subscriptions)


async def test_a_handler_is_synced_when_it_has_heard_the_whole_first_list(informer, entry, running):
    made, may_go, events = informer(), asyncio.Event(), []

    async def handle(event):
        await may_go.wait()
        events.append(event)

    async with running(made.run):
        slow, plain = made.subscribe(handle), made.subscribe(lambda _: None)
        assert not plain.synced.is_set()
        await made.replace([entry("a"), entry("b")], "5", "")
        await settle()
        assert made.synced.is_set()
        assert plain.synced.is_set()
        assert not slow.synced.is_set()
        may_go.set()
        await slow.synced.wait()
        assert len(events) == 2


async def test_an_empty_list_syncs_handlers_too(informer, running):
    made = informer()
    async with running(made.run):
        slow = made.subscribe(collector([]))
        await made.replace([], "5", "")
        await slow.synced.wait()


async def test_a_handler_that_is_blocked_for_ever_stops_neither_the_others_nor_the_store(informer, entry, running):
    made, events = informer(), []

    async def block(_event):
        await asyncio.Event().wait()

    async with running(made.run):
        blocked, other = made.subscribe(block), made.subscribe(collector(events))
        await made.replace([entry("a")], "5", "")
        for version in range(6, 20):
            made.apply("MODIFIED", entry("a", version))
        await settle()
        assert len(events) == 14 + 1
        assert made.store.get(entry("a").key).metadata.resource_version == "19"
        assert other.synced.is_set()
        await blocked.removed()


@pytest.mark.parametrize("is_slow", [False, True], ids=["plain", "coroutine"])
async def test_a_handler_that_raises_loses_that_event_alone(informer, entry, running, is_slow):
    made, events = informer(), []

    def handle(event):
        if event.key.name == "bad":
            raise RuntimeError("mine")
        events.append(event)

    async def handle_slowly(event):
        handle(event)

    async with running(made.run):
        made.subscribe(handle_slowly if is_slow else handle)
        await made.replace([entry("a"), entry("bad"), entry("c")], "5", "")
        await settle()
        assert [event.key.name for event in events] == ["a", "c"]


@pytest.mark.parametrize("is_slow", [False, True], ids=["plain", "coroutine"])
async def test_a_removed_handler_hears_no_more_and_may_be_removed_again(informer, entry, running, is_slow):
    made, events, others = informer(), [], []
    async with running(made.run):
        subscribed = made.subscribe(collector(events) if is_slow else events.append)
        made.subscribe(others.append)
        await made.replace([entry("a")], "5", "")
        await settle()
        subscribed.remove()
        subscribed.remove()
        await subscribed.removed()
        made.apply("ADDED", entry("b", 6))
        await settle()
        assert told(events) == [("ADDED", "a", True)]
        assert len(others) == 2


async def test_a_call_that_is_under_way_is_cancelled_when_its_handler_is_removed(informer, entry, running):
    made, ended = informer(), []

    async def handle(_event):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with running(made.run):
        subscribed = made.subscribe(handle)
        await made.replace([entry("a")], "5", "")
        await settle()
        await subscribed.removed()
        assert ended == [True]


async def test_a_handler_may_remove_itself(informer, entry, running):
    made, events = informer(), []

    async def once(event):
        events.append(event)
        await subscribed.removed()

    async with running(made.run):
        subscribed = made.subscribe(once)
        await made.replace([entry("a"), entry("b")], "5", "")
        await settle()
        assert len(events) == 1


async def test_a_subscription_removes_itself_alone(informer, entry, running):
    one, two, events = informer(), informer(), []
    async with running(one.run), running(two.run):
        of_one = one.subscribe(events.append)
        two.subscribe(events.append)
        of_one.remove()
        await one.replace([entry("a")], "5", "")
        await two.replace([entry("b")], "5", "")
        assert [event.key.name for event in events] == ["b"]


async def test_a_stopped_informer_takes_no_handler_and_lets_one_go(informer, running):
    made = informer()
    async with running(made.run):
        subscribed = made.subscribe(lambda _: None)
    with pytest.raises(KaitoError, match="InformerStopped"):
        made.subscribe(lambda _: None)
    await subscribed.removed()


async def test_an_informer_is_run_once(informer, running):
    made = informer()
    async with running(made.run):
        with pytest.raises(KaitoError, match="started before"):
            await made.run()
    with pytest.raises(KaitoError, match="is stopped"):
        await made.run()


async def test_who_waits_for_an_informer_that_stops_hears_so(informer, running):
    made = informer()
    async with running(made.run):
        waiting = asyncio.create_task(made.wait_for_sync())
        await settle()
    with pytest.raises(KaitoError, match="InformerStopped"):
        await waiting


async def test_each_handler_is_shown_everything_again_in_its_own_period(informer, entry, running):
    clock, often, seldom, never = VirtualClock(), [], [], []
    made = informer(clock, resync=0)
    async with running(made.run):
        made.subscribe(never.append)
        await made.replace([entry("a")], "5", "")
        made.subscribe(often.append, resync=10)
        made.subscribe(collector(seldom), resync=100)
        await clock.advance(105)
        assert [event.is_resync for event in often] == [False] + [True] * 10
        assert [event.is_resync for event in seldom] == [False, True]
        assert len(never) == 1


@pytest.mark.parametrize("slow", [False, True])
async def test_a_resync_that_fails_is_reported_and_the_next_comes_in_its_period(informer, entry, running, slow):
    clock, seen, others = VirtualClock(), [], []
    made = informer(clock, resync=10)

    def fail(event):
        seen.append((clock.monotonic(), event.key.name, event.is_resync))
        if event.is_resync:
            raise RuntimeError("it cannot be resynced")

    async def fail_slowly(event):
        fail(event)

    with capture_logs() as logs:
        async with running(made.run):
            await made.replace([entry("a"), entry("b")], "5", "")
            made.subscribe(fail_slowly if slow else fail)
            made.subscribe(others.append)
            await clock.advance(35)
            made.apply("MODIFIED", entry("a", 6))
            await clock.settle()
    resyncs = [(at, name) for at, name, is_resync in seen if is_resync]
    assert resyncs == [(at, name) for at in (10, 20, 30) for name in "ab"]
    assert seen[-1] == (35, "a", False)
    assert sum(event.is_resync for event in others) == 6
    assert [entry["key"] for entry in logs if entry["event"] == "a handler failed"] == ["ns/a", "ns/b"] * 3


@pytest.mark.parametrize(("chance", "after"), [(0.0, 9.0), (0.999999, 11.0)])
async def test_a_resync_comes_a_tenth_early_to_a_tenth_late(informer, entry, running, chance, after):
    clock, events = VirtualClock(), []
    made = informer(clock, lambda: chance, resync=10)
    async with running(made.run):
        await made.replace([entry("a")], "5", "")
        made.subscribe(events.append)
        await clock.advance(after - 0.1)
        assert len(events) == 1
        await clock.advance(0.2)
        assert len(events) == 2


async def test_handlers_are_shown_everything_again_each_ten_hours(informer, entry, running):
    clock, events = VirtualClock(), []
    made = informer(clock)
    async with running(made.run):
        await made.replace([entry("a")], "5", "")
        made.subscribe(events.append)
        await clock.advance(9.99 * 3_600)
        assert len(events) == 1
        await clock.advance(0.02 * 3_600)
        assert [event.is_resync for event in events] == [False, True]


@pytest.mark.usefixtures("small_slices")
async def test_a_resync_brings_nothing_back_and_shows_nothing_old(informer, entry, running):
    clock, events = VirtualClock(), []
    made = informer(clock, resync=10)
    async with running(made.run):
        await made.replace([entry(name) for name in "abcd"], "5", "")

        def handle(event):
            events.append(event)
            if event.is_resync and event.key.name == "a":
                made.apply("DELETED", entry("c", 8))
                made.apply("MODIFIED", entry("d", 9))

        made.subscribe(handle)
        await settle()
        events.clear()
        await clock.advance(11)
        assert [(event.type, event.key.name, event.is_resync) for event in events] == [
            ("MODIFIED", "a", True),
            ("DELETED", "c", False),
            ("MODIFIED", "d", False),
            ("MODIFIED", "b", True),
        ]


async def test_a_handler_that_joins_from_within_a_handler_hears_each_object_once(informer, entry, running):
    made, late = informer(), []

    def join(event):
        if event.key.name == "b":
            made.subscribe(late.append)

    async with running(made.run):
        made.subscribe(join)
        await made.replace([entry("a"), entry("b"), entry("c")], "5", "")
        assert sorted(told(late)) == [("ADDED", "a", True), ("ADDED", "b", True), ("ADDED", "c", True)]


@pytest.mark.usefixtures("small_slices")
async def test_the_loop_is_free_while_handlers_are_told_of_a_long_list(informer, entry, running):
    made, told_so_far, seen = informer(), [], set()

    async def watch():
        while True:
            seen.add(len(told_so_far))
            await asyncio.sleep(0)

    async with running(made.run), running(watch):
        made.subscribe(told_so_far.append)
        await made.replace([entry(f"o{number}") for number in range(20)], "5", "")
        assert seen >= set(range(0, 20, 2))


class Witness:
    """A handler that fails when it hears of an object twice, or of a deletion of what it never saw."""

    def __init__(self):
        self.known = {}

    def __call__(self, event):
        before = self.known.get(event.key)
        if event.type == "DELETED":
            assert before is not None
            del self.known[event.key]
            return
        assert (before is None) == (event.type == "ADDED")
        version = int(event.new.metadata.resource_version)
        assert before is None or before < version
        self.known[event.key] = version


async def interleaved(make, entry, seed):
    chance = random.Random(seed)
    made, witnesses, failures = make(clock=LoopClock(), resync=0), [], []

    def join():
        witness = Witness()
        witnesses.append(witness)

        def handle(event):
            try:
                witness(event)
            except AssertionError as error:
                failures.append(error)

        async def handle_slowly(event):
            await asyncio.sleep(chance.choice([0, 0, 1]))
            handle(event)

        made.subscribe(handle_slowly if chance.random() < 0.5 else handle)

    async def join_now_and_then():
        for _ in range(6):
            await asyncio.sleep(chance.choice([0, 0, 0, 1]))
            join()

    async def live():
        version = 1
        for _ in range(6):
            held = chance.sample("abcdefgh", chance.randrange(9))
            version += 1
            await made.replace([entry(name, version) for name in held], str(version), "")
            for _ in range(chance.randrange(8)):
                version += 1
                change = chance.choice(["ADDED", "MODIFIED", "DELETED"])
                made.apply(change, entry(chance.choice("abcdefgh"), version))
                await asyncio.sleep(0)

    task = asyncio.create_task(made.run())
    await asyncio.gather(live(), join_now_and_then())
    await asyncio.sleep(1_000)
    task.cancel()
    await asyncio.wait([task])
    assert not failures
    held = {found.key: int(found.metadata.resource_version) for found in made.store.all()}
    assert all(witness.known == held for witness in witnesses)
    return len(witnesses)


@pytest.mark.usefixtures("small_slices")
def test_whenever_handlers_join_each_hears_everything_once_and_ends_with_what_is_there(informer, entry):
    for seed in range(100):
        print("seed", seed)
        assert run(interleaved(informer, entry, seed)) == 6
