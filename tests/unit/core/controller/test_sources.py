"""What a watched kind puts into the queue, and how urgent it is."""

import asyncio

import orjson
import pytest

from kaito.core import Controller, Event, Key
from kaito.core.cache.entry import read_entry
from kaito.core.cache.store import Store
from kaito.core.controller import KindSource, itself, labels_changed
from kaito.core.queue import WorkQueue

A, B = Key("ns", "a"), Key("ns", "b")


@pytest.fixture
async def source(thing, cache, clock, surroundings):
    """Feed a queue from changes that the test makes; returns the queue and what tells of a change."""
    tasks = []

    async def begin(to=itself, when=None, **more):
        queue = WorkQueue(clock)
        feed = KindSource(thing, to, when, **more).feed
        tasks.append(asyncio.create_task(feed(queue, surroundings, lambda: None)))
        await clock.settle()
        return queue, lambda event: [handler(event) for handler in cache.handlers]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def entry(thing, version, **metadata):
    fields = {"name": "a", "namespace": "ns", "resourceVersion": version, **metadata}
    return read_entry(thing, orjson.dumps({"metadata": fields}))


@pytest.mark.parametrize(
    ("kind", "old", "new", "initial", "priority"),
    [
        ("ADDED", None, "1", True, -100),
        ("ADDED", None, "1", False, 0),
        ("MODIFIED", "1", "1", False, -100),
        ("MODIFIED", "1", "2", False, 0),
        ("DELETED", "1", None, False, 0),
        ("MODIFIED", "1", "2", True, -100),
    ],
)
async def test_what_was_there_and_what_did_not_change_waits_behind_the_rest(
    source, thing, kind, old, new, initial, priority
):
    queue, tell = await source()
    old, new = (version and entry(thing, version) for version in (old, new))
    tell(Event(thing, kind, A, old, new, initial))
    assert (await queue.get()).priority == priority


async def test_a_key_that_a_change_names_twice_is_looked_at_once(source, thing):
    queue, tell = await source(to=lambda _event: [A, B, A])
    tell(Event(thing, "ADDED", A, None, entry(thing, "1")))
    assert len(queue) == 2


async def test_what_does_not_matter_is_not_even_mapped(source, thing):
    mapped = []
    queue, tell = await source(to=lambda event: mapped.append(event) or [A], when=labels_changed)
    tell(Event(thing, "MODIFIED", A, entry(thing, "1"), entry(thing, "2")))
    assert (len(queue), mapped) == (0, [])
    tell(Event(thing, "MODIFIED", A, entry(thing, "2"), entry(thing, "3", labels={"a": "b"})))
    assert (len(queue), len(mapped)) == (1, 1)


async def test_it_has_started_once_its_kind_is_listed(thing, cache, clock, surroundings):
    started = asyncio.Event()
    feeding = asyncio.create_task(KindSource(thing, itself).feed(WorkQueue(clock), surroundings, started.set))
    await clock.settle()
    assert not started.is_set()
    cache.synced.set()
    await clock.settle()
    assert started.is_set()
    assert not feeding.done()
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)


async def test_another_cluster_is_watched_through_a_cache_of_its_own(source, thing, cache, scripted, surroundings):
    other = type(cache)()
    await source(cache=other)
    assert (len(other.handlers), len(cache.handlers)) == (1, 0)
    Controller("c", scripted).fed_by(KindSource(thing, itself, cache=other)).bind(surroundings)
    assert cache.registered == []


async def test_it_hears_nothing_more_once_it_has_ended(thing, cache, clock, surroundings):
    feeding = asyncio.create_task(KindSource(thing, itself).feed(WorkQueue(clock), surroundings, lambda: None))
    await clock.settle()
    assert len(cache.handlers) == 1
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    assert cache.handlers == []


async def test_a_deletion_that_only_a_list_told_of_has_the_last_known_object_and_says_so(source, thing):
    seen = []
    queue, tell = await source(to=lambda event: seen.append(event) or [event.key])
    last = entry(thing, "1", labels={"a": "b"})
    store = Store(thing)
    for listed in ([last], []):
        for event in await store.replace(listed, "1"):
            tell(event)
    assert [(event.type, event.old, event.final_state_unknown) for event in seen] == [
        ("ADDED", None, False),
        ("DELETED", last, True),
    ]
    assert len(queue) == 1
