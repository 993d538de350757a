"""A cache stays right whatever the server does to its watches."""

import asyncio

import pytest
from aiohttp import web

from kaito.core import Cache, Client, Key
from kaito.core.cache import ReflectorSettings, Selection
from kaito.core.client import transport
from kaito.core.client.writes import Write

THINGS = "/apis/example.org/v1/namespaces/ns/things"


@pytest.fixture
async def cache(api, client, thing):
    """A cache of things with short pauses; it records what its handlers saw."""

    class Hurried:
        """Real time, a hundred times as fast for whoever sleeps."""

        def monotonic(self):
            return asyncio.get_running_loop().time()

        async def sleep(self, seconds):
            slept.append(seconds)
            await asyncio.sleep(seconds / 100)

    slept: list[float] = []
    made = Cache(client, clock=Hurried(), jitter=lambda: 0.0, reflector=ReflectorSettings(streaming=False))
    made.slept, made.events = slept, []
    made.register(thing, Selection("ns", resync=0))
    made.subscribe(thing, made.events.append)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


def told(cache):
    return [(event.type, event.key.name) for event in cache.events]


async def test_what_is_there_comes_first_and_is_marked_initial(api, cache, thing, until):
    api.put("a")
    await cache.wait_for_sync()
    api.put("b")
    await until(lambda: len(cache.events) == 2)
    assert [(event.key.name, event.initial) for event in cache.events] == [("a", True), ("b", False)]
    assert api.lists() == [{"resourceVersion": "0", "limit": "500"}]
    assert api.watch_requests()[0]["allowWatchBookmarks"] == "true"
    assert 300 <= int(api.watch_requests()[0]["timeoutSeconds"]) <= 600


async def test_the_store_is_changed_before_the_handlers_hear_of_it(api, cache, thing, until):
    await cache.wait_for_sync()
    seen = []
    cache.subscribe(thing, lambda event: seen.append(cache.get(thing, event.key)["spec"]["x"]))
    for number in range(3):
        api.put("a", spec={"x": number})
    await until(lambda: len(seen) == 3)
    assert seen == [0, 1, 2]


async def test_a_closed_stream_goes_on_from_the_last_version_without_a_list(api, cache, thing, until):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    api.put("a")
    await until(lambda: cache.events)
    api.close_watches()
    api.put("b")
    await until(lambda: len(cache.events) == 2)
    assert told(cache) == [("ADDED", "a"), ("ADDED", "b")]
    assert len(api.lists()) == 1


async def test_a_restarted_server_is_found_again_and_nothing_is_lost_or_repeated(api, cache, thing, until):
    api.put("a")
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    await api.stop()
    api.put("b")
    api.remove("a")
    await until(lambda: cache.slept)
    await api.start()
    await until(lambda: len(cache.events) == 3)
    assert told(cache)[0] == ("ADDED", "a")
    assert set(told(cache)[1:]) == {("ADDED", "b"), ("DELETED", "a")}


async def test_410_tells_deletions_first_and_nothing_about_the_unchanged(api, cache, thing, until):
    api.put("gone")
    api.put("kept")
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    streams = list(api.watches)
    api.watches.clear()
    api.remove("gone")
    api.put("new")
    api.forget_history()
    before = len(cache.events)
    for stream in streams:
        stream.put_nowait(None)
    await until(lambda: len(cache.events) == before + 2)
    assert told(cache)[before:] == [("DELETED", "gone"), ("ADDED", "new")]
    assert cache.get(thing, Key("ns", "gone")) is None
    assert len(api.lists()) == 2


async def test_a_server_that_closes_every_watch_at_once_is_not_stormed(api, cache, until):
    await cache.wait_for_sync()
    api.faults.append(lambda request: web.Response(body=b"") if "watch" in request.query else None)
    api.close_watches()
    await until(lambda: len(cache.slept) >= 3)
    assert cache.slept[:3] == pytest.approx([0.8, 1.6, 3.2])


async def test_a_broken_line_means_the_connection_is_broken_and_nothing_is_lost(api, cache, thing, until):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    api.put("a")
    await until(lambda: cache.events)
    api.send(b'{"type":"ADDED","object":{"metadata\n')
    api.put("b")
    await until(lambda: len(cache.events) == 2)
    assert told(cache) == [("ADDED", "a"), ("ADDED", "b")]


async def test_half_a_line_at_the_end_of_a_stream_loses_nothing(api, cache, thing, until):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    api.put("a")
    await until(lambda: cache.events)
    api.send(b'{"type":"ADDED","obj')
    api.close_watches()
    api.put("b")
    await until(lambda: len(cache.events) == 2)
    assert cache.get(thing, Key("ns", "b")) is not None


async def test_an_event_of_five_mebibytes_arrives_whole(api, cache, thing, until):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    api.put("big", spec={"x": "y" * (5 << 20)})
    await until(lambda: cache.events)
    assert len(cache.get(thing, Key("ns", "big"))["spec"]["x"]) == 5 << 20


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"ADDED","object":{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{}}}\n',
        b'{"type":"INVENTED","object":{"metadata":{"name":"x"}}}\n',
    ],
)
async def test_an_event_that_is_not_ours_is_skipped(api, cache, thing, until, line):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    api.send(line)
    api.put("a")
    await until(lambda: cache.events)
    assert told(cache) == [("ADDED", "a")]
    assert len(api.watch_requests()) == 1


async def test_an_error_event_500_is_followed_by_a_list(api, cache, until):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    api.send(b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcdserver: no leader"}}\n')
    await until(lambda: len(api.lists()) == 2)
    assert cache.slept == pytest.approx([0.8])


async def test_a_watch_that_falls_silent_is_opened_again(api, thing, until, monkeypatch):
    monkeypatch.setattr(transport, "WATCH_INACTIVITY_SECONDS", 0.2)
    client = await Client.connect(api.settings, field_manager="test")
    made = Cache(client, jitter=lambda: 0.0)
    made.register(thing)
    running = asyncio.create_task(made.run())
    try:
        await made.wait_for_sync()
        await until(lambda: len(api.watch_requests()) >= 2)
        assert len(api.lists()) <= 2
    finally:
        running.cancel()
        await asyncio.wait([running])
        await client.close()


async def test_a_bookmark_moves_the_version_that_the_next_watch_begins_at(api, cache, until):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    api.bookmark()
    api.close_watches()
    await until(lambda: len(api.watch_requests()) == 2)
    assert api.watch_requests()[1]["resourceVersion"] == str(api.version)
    assert not cache.events


async def test_pages_are_followed_and_committed_as_one(api, client, thing):
    for number in range(7):
        api.put(f"t{number}")
    api.page_size = 3
    made = Cache(client, reflector=ReflectorSettings(streaming=False))
    made.register(thing)
    running = asyncio.create_task(made.run())
    await made.wait_for_sync()
    assert len(made.list(thing)) == 7
    running.cancel()
    await asyncio.wait([running])


async def test_a_missing_kind_is_waited_for(api, cache, thing, until):
    api.discovery = False
    api.put("a")
    await until(lambda: len(cache.slept) >= 2)
    assert cache.pending == ["Thing.example.org/v1"]
    api.discovery = True
    await cache.wait_for_sync()
    assert cache.get(thing, Key("ns", "a")) is not None


async def test_a_handler_that_fails_loses_its_event_alone(api, cache, thing, until):
    await cache.wait_for_sync()

    def fail(_event):
        raise RuntimeError("mine")

    cache.subscribe(thing, fail)
    late: list = []
    cache.subscribe(thing, late.append)
    api.put("a")
    api.put("b")
    await until(lambda: len(late) == 2)


async def test_a_late_handler_hears_of_what_is_there(api, cache, thing):
    api.put("a")
    await cache.wait_for_sync()
    late: list = []
    cache.subscribe(thing, late.append)
    assert [(event.type, event.initial) for event in late] == [("ADDED", True)]


async def test_own_writes_are_waited_for(api, cache, thing, until):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    streams = list(api.watches)
    api.watches.clear()  # held back
    version = api.put("a")["metadata"]["resourceVersion"]
    write = Write("example.org/v1", "Thing", Key("ns", "a"), version)
    assert not cache.shows([write])
    waiting = asyncio.create_task(cache.wait_for_writes([write], 5))
    for stream in streams:
        stream.put_nowait(None)
    assert await waiting
    assert cache.get(thing, Key("ns", "a")) is not None


@pytest.mark.parametrize(
    "write",
    [
        Write("v1", "Secret", Key("ns", "a"), "9999"),
        Write("example.org/v1", "Thing", Key("other", "a"), "9999"),
        Write("example.org/v1", "Thing", Key("ns", "a"), deleted=True),
    ],
    ids=["not cached", "outside the selection", "deleted and absent"],
)
async def test_writes_that_will_never_show_are_not_waited_for(cache, write):
    await cache.wait_for_sync()
    assert cache.shows([write])
    assert await cache.wait_for_writes([write], 1)


async def test_waiting_for_a_write_ends_after_its_limit(api, cache):
    await cache.wait_for_sync()
    assert not await cache.wait_for_writes([Write("example.org/v1", "Thing", Key("ns", "a"), "99999")], 1)


async def test_the_store_is_as_new_as_its_list_then_its_events_then_its_bookmarks(api, cache, thing, until):
    api.put("a")
    await cache.wait_for_sync()
    store = cache.register(thing).store
    assert store.resource_version("ns") == str(api.version)
    await until(lambda: api.watches)
    api.put("b")
    await until(lambda: len(store) == 2)
    assert store.resource_version("ns") == str(api.version)
    api.bookmark()
    await until(lambda: store.resource_version("ns") == str(api.version))
    assert len(cache.events) == 2


async def test_a_deletion_of_what_was_never_seen_is_nothing(api, cache, thing, until):
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    ghost = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "ghost", "namespace": "ns"}}
    ghost["metadata"]["resourceVersion"] = str(api.version + 1)
    api.send(api._line("DELETED", ghost))
    api.put("a")
    await until(lambda: cache.events)
    assert told(cache) == [("ADDED", "a")]


async def test_one_unreadable_object_of_a_list_loses_none_of_the_others(api, client, thing, running):
    api.put("a")
    api.put("broken")["kind"] = "Table"
    api.put("c")
    made = Cache(client, reflector=ReflectorSettings(streaming=False))
    made.register(thing)
    async with running(made.run):
        await made.wait_for_sync()
        assert sorted(entry.key.name for entry in made.entries(thing)) == ["a", "c"]
