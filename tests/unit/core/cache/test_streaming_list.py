"""The objects of a kind over the watch itself, and as a list where a server cannot."""

import asyncio

import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from kaito.core import Cache, Key
from kaito.core.cache import ReflectorSettings, Selection

THING = {"kind": "Thing", "apiVersion": "example.org/v1"}


class Hurried:
    """Real time, a hundred times as fast for whoever sleeps."""

    def __init__(self):
        self.slept = []

    def monotonic(self):
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await asyncio.sleep(seconds / 100)

    @property
    def paused(self):
        """Pauses before something is tried again; the reminder's are not among them."""
        return [seconds for seconds in self.slept if seconds != 10]


@pytest.fixture
async def start(client, thing):
    """Start caches of things that record what their handlers saw; they are stopped at the end."""
    running = []

    def begin(transform=None, **settings):
        made = Cache(client, clock=Hurried(), jitter=lambda: 0.0, reflector=ReflectorSettings(**settings))
        made.clock, made.events = made._clock, []
        made.register(thing, Selection("ns", resync=0, transform=transform))
        made.subscribe(thing, made.events.append)
        running.append(asyncio.create_task(made.run()))
        return made

    yield begin
    for task in running:
        task.cancel()
    await asyncio.wait(running)


@pytest.fixture
def script(api):
    """Answer each streaming list with the next of these: bytes to send before staying open, a status, or nothing."""

    def use(*answers):
        left = list(answers)

        def fault(request):
            if "sendInitialEvents" not in request.query or not left:
                return None
            answer = left.pop(0)
            return answer if isinstance(answer, web.Response) else Scripted(*answer)

        api.faults.append(fault)

    return use


class Scripted(web.StreamResponse):
    """A stream of these lines that then ends, or stays open until `Event` arguments are set."""

    def __init__(self, *lines):
        super().__init__()
        self._lines = lines

    async def prepare(self, request):
        await super().prepare(request)
        for line in self._lines:
            if isinstance(line, asyncio.Event):
                await line.wait()
            else:
                await self.write(line)


def line(kind, name="", version="0", annotations=None, **fields):
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": version}
    if kind == "BOOKMARK":
        metadata = {"resourceVersion": version, "annotations": annotations or {}}
    return orjson.dumps({"type": kind, "object": {**THING, "metadata": metadata, **fields}}) + b"\n"


def end(version, value="true"):
    return line("BOOKMARK", version=version, annotations={"k8s.io/initial-events-end": value})


def told(cache):
    return [(event.type, event.key.name, event.initial) for event in cache.events]


async def test_what_exists_comes_over_the_watch_and_nothing_is_listed(api, start, until):
    api.put("a")
    cache = start()
    await cache.wait_for_sync()
    api.put("b")
    await until(lambda: len(cache.events) == 2)
    assert told(cache) == [("ADDED", "a", True), ("ADDED", "b", False)]
    assert api.lists() == []
    assert len(api.watch_requests()) == 1
    (asked,) = api.watch_requests()
    assert 300 <= int(asked.pop("timeoutSeconds")) <= 600
    assert asked == {
        "watch": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }


async def test_an_empty_kind_is_in_step_after_the_bookmark(api, start):
    await start().wait_for_sync()
    assert api.lists() == []


@pytest.mark.parametrize("mark", [line("BOOKMARK", version="7"), end("7", "false")], ids=["no annotation", "false"])
async def test_another_bookmark_does_not_end_the_list(script, start, thing, until, mark):
    go_on, stay = asyncio.Event(), asyncio.Event()
    script([line("ADDED", "a", "5"), mark, go_on, end("8"), stay])
    cache = start()
    await until(lambda: cache.clock.slept)
    assert not cache.events
    assert cache.pending
    go_on.set()
    await cache.wait_for_sync()
    assert told(cache) == [("ADDED", "a", True)]
    stay.set()


async def test_changes_and_deletions_during_the_list_are_applied(script, start, thing, until):
    stay = asyncio.Event()
    script(
        [
            line("ADDED", "a", "5", x=1),
            line("ADDED", "b", "6"),
            line("MODIFIED", "a", "7", x=2),
            line("DELETED", "b", "8"),
            line("MODIFIED", "c", "9"),
            line("DELETED", "never-seen", "9"),
            end("10"),
            stay,
        ]
    )
    cache = start()
    await cache.wait_for_sync()
    assert told(cache) == [("ADDED", "a", True), ("ADDED", "c", True)]
    assert cache.get(thing, Key("ns", "a"))["x"] == 2
    stay.set()


async def test_the_same_stream_goes_on_and_the_next_watch_begins_at_its_last_version(api, script, start, until):
    stay = asyncio.Event()
    script([line("ADDED", "a", "5"), end("10"), line("MODIFIED", "a", "11"), line("BOOKMARK", version="99"), stay])
    cache = start()
    await until(lambda: len(cache.events) == 2)
    stay.set()
    await until(lambda: len(api.watch_requests()) == 2)
    assert told(cache) == [("ADDED", "a", True), ("MODIFIED", "a", False)]
    assert api.watch_requests()[1]["resourceVersion"] == "99"
    assert "sendInitialEvents" not in api.watch_requests()[1]
    assert api.lists() == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [(400, "BadRequest"), (403, "Forbidden"), (404, "NotFound"), (405, "MethodNotAllowed"), (422, "Invalid")],
)
async def test_a_server_that_does_not_stream_is_listed(api, script, start, thing, refuse, code, reason):
    api.put("a")
    script(refuse(code, reason))
    cache = start()
    await cache.wait_for_sync()
    assert cache.get(thing, Key("ns", "a"))
    assert api.lists() == [{"resourceVersion": "0", "limit": "500"}]
    assert cache.clock.paused == []


async def test_a_busy_server_is_streamed_from_later(api, script, start, refuse):
    script(refuse(429, "TooManyRequests"), refuse(429, "TooManyRequests"))
    cache = start()
    await cache.wait_for_sync()
    assert cache.clock.paused == pytest.approx([0.8, 1.6])
    assert api.lists() == []


async def test_a_server_that_is_away_is_streamed_from_when_it_is_back(api, start, until):
    cache = start()
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    await api.stop()
    await until(lambda: len(cache.clock.paused) >= 2)
    api.put("a")
    await api.start()
    await until(lambda: cache.events)
    assert api.lists() == []


async def test_after_410_the_stream_forgets_its_version_and_tells_of_deletions(api, start, thing, until, refuse):
    api.put("gone")
    api.put("kept")
    cache = start()
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    streams = list(api.watches)
    api.watches.clear()
    api.remove("gone")
    api.forget_history()
    api.faults.append(lambda request: refuse(410, "Expired") if request.query.get("resourceVersion") else None)
    before = len(cache.events)
    for stream in streams:
        stream.put_nowait(None)
    await until(lambda: len(cache.events) > before)
    assert told(cache)[before:] == [("DELETED", "gone", False)]
    assert "resourceVersion" not in api.watch_requests()[-1]
    assert api.lists() == []


async def test_a_stream_that_breaks_off_is_begun_anew_with_nothing_kept(script, start, thing):
    script([line("ADDED", "ghost", "5")])
    cache = start()
    await cache.wait_for_sync()
    assert cache.get(thing, Key("ns", "ghost")) is None
    assert cache.clock.paused == pytest.approx([0.8])


async def test_a_server_that_ends_every_stream_at_once_is_listed_without_a_storm(api, start, until):
    api.put("a")
    api.faults.append(lambda request: web.Response() if "sendInitialEvents" in request.query else None)
    cache = start()
    await cache.wait_for_sync()
    assert len(api.lists()) == 1
    assert len(api.watch_requests()) <= 2


async def test_a_server_that_breaks_every_stream_off_is_listed_in_the_end(api, script, start):
    script(*[[line("ADDED", "ghost", "5")]] * 10)
    cache = start()
    await cache.wait_for_sync()
    assert len(api.lists()) == 1
    assert cache.clock.paused == pytest.approx([0.8, 1.6])


async def test_a_list_that_does_not_end_is_mentioned_every_ten_seconds(script, start, until):
    stay = asyncio.Event()
    with capture_logs() as logs:
        script([line("ADDED", "a", "5"), stay, end("6")])
        cache = start()
        await until(lambda: cache.clock.slept.count(10) >= 3)
        stay.set()
        await cache.wait_for_sync()
    waits = [entry for entry in logs if entry["event"] == "a list has not ended yet"]
    assert len(waits) >= 2
    assert waits[0]["log_level"] == "warning"
    assert waits[-1]["events"] == 1


async def test_objects_of_another_kind_in_a_streamed_list_are_skipped(script, start):
    table = b'{"type":"ADDED","object":{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"name":"t"}}}\n'
    stay = asyncio.Event()
    with capture_logs() as logs:
        script([table, line("ADDED", "a", "5"), line("INVENTED", "b", "6"), end("7"), stay])
        cache = start()
        await cache.wait_for_sync()
    assert told(cache) == [("ADDED", "a", True)]
    assert [entry["type"] for entry in logs if entry["log_level"] == "error"] == ["ADDED", "INVENTED"]
    stay.set()


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "listing"])
async def test_a_transform_sees_each_received_object_once(api, start, thing, until, streaming):
    seen = []

    def transform(obj):
        seen.append((obj["metadata"]["name"], obj["metadata"]["resourceVersion"]))
        return {**obj, "x": "transformed"}

    for name in ("a", "b"):
        api.put(name)
    cache = start(transform, streaming=streaming)
    await cache.wait_for_sync()
    await until(lambda: api.watches)
    api.put("a")
    await until(lambda: len(cache.events) == 3)
    assert seen == [("a", "101"), ("b", "102"), ("a", "103")]
    assert [obj["x"] for obj in cache.list(thing)] == ["transformed"] * 2


async def test_switched_off_it_is_not_tried(api, start):
    await start(streaming=False).wait_for_sync()
    assert len(api.lists()) == 1
    assert not any("sendInitialEvents" in asked for asked in api.watch_requests())


async def test_a_check_of_consistency_finds_what_was_streamed_and_is_not_listed(api, script, start, until):
    api.put("a")
    stay = asyncio.Event()
    with capture_logs() as logs:
        script([line("ADDED", "ghost", "5"), end("101"), stay])
        await start(check_consistency=True).wait_for_sync()
    (found,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert found["keys"] == ["ns/a", "ns/ghost"]
    assert api.lists() == [{"resourceVersion": "101", "resourceVersionMatch": "Exact", "limit": "500"}]
    stay.set()


async def test_a_check_of_consistency_says_nothing_of_a_list_that_is_consistent(api, start):
    for name in ("a", "b"):
        api.put(name)
    with capture_logs() as logs:
        await start(check_consistency=True).wait_for_sync()
    assert not [entry for entry in logs if entry["log_level"] != "info"]


async def test_a_check_of_consistency_that_cannot_be_made_holds_nothing_up(api, start, refuse):
    api.put("a")
    api.faults.append(
        lambda request: (
            refuse(410, "Expired") if "resourceVersionMatch" in request.query and "watch" not in request.query else None
        )
    )
    cache = start(check_consistency=True)
    await cache.wait_for_sync()
    assert len(cache.events) == 1
