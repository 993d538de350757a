"""An object that cannot be read, among others that can: it is neither gone nor half known, and nothing else is lost."""

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest
from structlog.testing import capture_logs

from kaito.core import Cache, Client, Key, Kind, ReflectorSettings, Selection
from kaito.testing import LoopClock, virtual_time

THING = Kind("example.org/v1", "Thing", dict, "things", True)
EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
BOTH = pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "listing"])
UNREADABLE = pytest.mark.parametrize(
    "broken",
    [
        {"metadata": {"labels": "no labels"}},
        {"metadata": {"ownerReferences": [{"name": "x"}]}},
        {"metadata": {"resourceVersion": 9}},
        {"kind": "Table"},
        {"apiVersion": "example.org/v2"},
    ],
    ids=lambda broken: next(iter(broken.get("metadata", broken))),
)


def thing(name, version="5", broken=None):
    obj = {"apiVersion": THING.api_version, "kind": THING.kind}
    metadata = {"name": name, "namespace": "ns", "uid": f"uid of {name}", "resourceVersion": version}
    if broken is not None:
        obj |= broken
        metadata |= broken.get("metadata", {})
    return {**obj, "metadata": metadata}


def event(kind, *arguments):
    return {"type": kind, "object": thing(*arguments)}


class Scripted:
    """A transport of a server that gives these lists, each with what its watches bring one after the other."""

    def __init__(self, streaming, *lists):
        self.streaming, self.lists, self.watched = streaming, list(lists), []
        self.watches = []

    @asynccontextmanager
    async def stream(self, _path, params, _headers=None):
        async def chunks():
            if "watch" not in params or "sendInitialEvents" in params:
                version, items, *self.watches = self.lists.pop(0)
                if "watch" not in params:
                    yield orjson.dumps({"kind": "ThingList", "metadata": {"resourceVersion": version}, "items": items})
                    return
                for item in items:
                    yield orjson.dumps({"type": "ADDED", "object": item}) + b"\n"
                ends = {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}
                yield orjson.dumps({"type": "BOOKMARK", "object": {"metadata": ends}}) + b"\n"
            else:
                self.watched.append(params["resourceVersion"])
            for one in self.watches.pop(0) if self.watches else [None]:
                if one is None:
                    await asyncio.Event().wait()
                yield orjson.dumps(one) + b"\n"

        made = chunks()
        try:
            yield made
        finally:
            await made.aclose()


@asynccontextmanager
async def caching(transport):
    """A cache of what such a server says, at rest; with what a handler has heard."""
    client = Client(transport, field_manager="test")
    settings = ReflectorSettings(streaming=transport.streaming)
    cache = Cache(client, clock=LoopClock(), jitter=lambda: 0.0, reflector=settings)
    cache.register(THING, Selection("ns", resync=0))
    heard = []
    cache.subscribe(THING, heard.append)
    running = asyncio.create_task(cache.run())
    try:
        with capture_logs() as logs:
            await asyncio.sleep(60)
        yield cache, heard, [entry for entry in logs if "cannot be read" in entry["event"]]
    finally:
        running.cancel()
        await asyncio.wait([running])


def told(heard):
    return [(one.type, one.key.name, one.entry.metadata.resource_version) for one in heard]


@BOTH
@UNREADABLE
@virtual_time
async def test_one_that_was_known_stays_as_it_was_when_a_list_shows_it_unreadable(streaming, broken):
    first = ("5", [thing("a"), thing("b"), thing("gone")], [EXPIRED])
    second = ("9", [thing("new", "8"), thing("a", "9", broken), thing("b", "9")])
    async with caching(Scripted(streaming, first, second)) as (cache, heard, logs):
        assert told(heard[3:]) == [("DELETED", "gone", "5"), ("ADDED", "new", "8"), ("MODIFIED", "b", "9")]
        assert cache.get(THING, Key("ns", "a")) == thing("a")
        assert [(entry["key"], entry["reason"], entry["log_level"]) for entry in logs] == [
            ("ns/a", "ObjectUnreadable", "error")
        ]
        assert logs[0]["error"]


@BOTH
@UNREADABLE
@virtual_time
async def test_one_that_was_never_known_is_not_there_and_costs_no_other(streaming, broken):
    first = ("5", [thing("a", "4"), thing("broken", "4", broken), thing("c")])
    async with caching(Scripted(streaming, first)) as (_cache, heard, logs):
        assert told(heard) == [("ADDED", "a", "4"), ("ADDED", "c", "5")]
        assert [entry["key"] for entry in logs] == ["ns/broken"]


@BOTH
@UNREADABLE
@pytest.mark.parametrize("change", ["ADDED", "MODIFIED"])
@virtual_time
async def test_one_that_a_watch_shows_unreadable_stays_as_it_was(streaming, broken, change):
    watch = [event(change, "a", "6", broken), event(change, "new", "7", broken), event("MODIFIED", "b", "8")]
    transport = Scripted(streaming, ("5", [thing("a"), thing("b")], watch))
    async with caching(transport) as (cache, heard, logs):
        assert told(heard[2:]) == [("MODIFIED", "b", "8")]
        assert cache.get(THING, Key("ns", "a")) == thing("a")
        assert cache.get(THING, Key("ns", "new")) is None
        assert [entry["key"] for entry in logs] == ["ns/a", "ns/new"]
        assert transport.watched[-1] == "8"


@BOTH
@UNREADABLE
@virtual_time
async def test_one_that_is_deleted_is_gone_even_if_its_last_state_cannot_be_read(streaming, broken):
    watch = [event("DELETED", "a", "6", broken), event("DELETED", "never known", "7", broken)]
    async with caching(Scripted(streaming, ("5", [thing("a"), thing("b")], watch))) as (cache, heard, _logs):
        assert told(heard[2:]) == [("DELETED", "a", "5")]
        assert heard[-1].final_state_unknown
        assert [entry.key.name for entry in cache.entries(THING)] == ["b"]


@BOTH
@virtual_time
async def test_a_watch_goes_on_from_the_last_version_that_could_be_read(streaming):
    watch = [event("MODIFIED", "b", "7"), event("MODIFIED", "a", "8", {"metadata": {"labels": 1}})]
    transport = Scripted(streaming, ("5", [thing("a"), thing("b")], watch))
    async with caching(transport):
        assert transport.watched[-1] == "7"


@BOTH
@virtual_time
async def test_one_that_does_not_say_its_name_or_is_elsewhere_is_passed_over(streaming):
    elsewhere = {"metadata": {"namespace": "other", "labels": 1}}
    items = [thing("a"), thing("", "5", {"metadata": {"labels": 1}}), {"metadata": 7}, thing("b", "5", elsewhere)]
    watch = [event("DELETED", "a", "6", elsewhere), event("MODIFIED", "a", "7")]
    async with caching(Scripted(streaming, ("5", items, watch))) as (_cache, heard, logs):
        assert told(heard) == [("ADDED", "a", "5"), ("MODIFIED", "a", "7")]
        assert len(logs) == 4


@virtual_time
async def test_a_streamed_list_that_changes_while_it_comes_holds_what_could_be_read_last():
    broken = {"metadata": {"labels": 1}}
    watch = [
        event("MODIFIED", "a", "6", broken),
        event("DELETED", "b", "7", broken),
        {
            "type": "BOOKMARK",
            "object": {"metadata": {"resourceVersion": "7", "annotations": {"k8s.io/initial-events-end": "true"}}},
        },
        None,
    ]
    first = [{"type": "ADDED", "object": thing("a")}, {"type": "ADDED", "object": thing("b")}]

    class Changing(Scripted):
        @asynccontextmanager
        async def stream(self, _path, _params, _headers=None):
            async def chunks():
                for one in first + watch:
                    if one is None:
                        await asyncio.Event().wait()
                    yield orjson.dumps(one) + b"\n"

            made = chunks()
            try:
                yield made
            finally:
                await made.aclose()

    async with caching(Changing(True)) as (_cache, heard, _logs):
        assert told(heard) == [("ADDED", "a", "5")]
