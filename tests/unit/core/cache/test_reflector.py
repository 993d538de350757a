"""A reflector and its server through minutes of virtual time: what it asks, what it notices, what it leaves behind."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from kaito.core import Backoff, Cache, Client, Key, Kind, ReflectorSettings, Selection
from kaito.core.cache.reflector import Reflector
from kaito.core.cache.selection import Scope
from kaito.core.errors import ConnectionLostError
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import Disturbance, InProcessServer, LoopClock, Trouble, virtual_time

THING = Kind("example.org/v1", "Thing", dict, plural="things", namespaced=True)
END = (
    b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7",'
    b'"annotations":{"k8s.io/initial-events-end":"true"}}}}\n'
)
TROUBLES = [Trouble.DROP, Trouble.EXPIRED, Trouble.GARBAGE, Trouble.HALF_FRAME, Trouble.BROKEN]
FOR_EVER = 1_000_000


@asynccontextmanager
async def caching(server: InProcessServer, **settings: Any) -> AsyncIterator[Cache]:
    """A running cache of the ConfigMaps of a namespace, whose pauses are as short as they may be."""
    client = server.connect("cache")
    cache = Cache(client, clock=LoopClock(), jitter=lambda: 0.0, reflector=ReflectorSettings(**settings))
    cache.register(CONFIG_MAP, Selection("default"))
    running = asyncio.create_task(cache.run())
    try:
        yield cache
    finally:
        running.cancel()
        await asyncio.wait([running])
        await client.close()


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def asked(server: InProcessServer, since: float = 0.0) -> list[tuple[str, float]]:
    return [(one.verb, one.at) for one in server.asked if one.resource == "configmaps" and one.at >= since]


def reads(server: InProcessServer, since: float = 0.0) -> list[str]:
    return [verb for verb, _ in asked(server, since) if verb in ("list", "watch")]


@pytest.mark.parametrize(
    ("streaming", "event"),
    [(True, 1), (True, 2), (False, 1)],
    ids=["within a streamed list", "behind a streamed list", "behind a list"],
)
@virtual_time
async def test_a_connection_that_falls_silent_is_left_within_90_seconds_and_nothing_is_lost(
    streaming: bool, event: int
) -> None:
    async with InProcessServer.start() as server:
        await server.client.create(config_map("a"))
        server.disturb(Disturbance(Trouble.HANG, "watch configmaps", event=event))
        async with caching(server, streaming=streaming) as cache:
            await asyncio.sleep(1)
            await server.client.create(config_map("b"))
            begun = LoopClock().monotonic()
            await asyncio.sleep(95)
            (again, *_) = [at for verb, at in asked(server, begun) if verb == "watch"]
            assert 70 <= again - begun <= 90
            assert cache.get(CONFIG_MAP, Key("default", "a"))
            assert cache.get(CONFIG_MAP, Key("default", "b"))
            assert server.struck == 1


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "listing"])
@virtual_time
async def test_a_server_that_drops_every_read_is_asked_fewer_than_five_times_in_three_seconds(streaming: bool) -> None:
    async with InProcessServer.start() as server:
        begun = LoopClock().monotonic()
        server.disturb(
            Disturbance(Trouble.BROKEN, "watch configmaps", times=FOR_EVER),
            Disturbance(Trouble.BROKEN, "list configmaps", times=FOR_EVER),
        )
        async with caching(server, streaming=streaming):
            await asyncio.sleep(3)
            assert 1 <= len(reads(server, begun)) < 5
            await asyncio.sleep(600)
            assert len(reads(server, begun)) < 30


@pytest.mark.parametrize(
    "trouble", [Trouble.DROP, Trouble.EXPIRED, Trouble.GARBAGE, Trouble.HALF_FRAME, Trouble.BROKEN]
)
@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "listing"])
@virtual_time
async def test_watches_that_fail_for_ever_are_opened_at_a_bounded_rate(trouble: Trouble, streaming: bool) -> None:
    async with InProcessServer.start() as server, caching(server, streaming=streaming) as cache:
        await cache.wait_for_sync()
        server.disturb(Disturbance(trouble, "watch configmaps", times=FOR_EVER))
        await server.restart()
        begun = LoopClock().monotonic()
        await asyncio.sleep(1200)
        assert len(reads(server, begun)) < 150
        server.disturb()
        await server.client.create(config_map("late"))
        await asyncio.sleep(100)
        assert cache.get(CONFIG_MAP, Key("default", "late"))


@virtual_time
async def test_nothing_is_listed_while_streams_work_even_over_restarts() -> None:
    async with InProcessServer.start() as server, caching(server) as cache:
        for number in range(5):
            await server.client.create(config_map(f"c{number}"))
            await server.restart(down_seconds=3)
            await asyncio.sleep(60)
        assert len(cache.list(CONFIG_MAP, "default")) >= 5
        assert "list" not in reads(server)


@virtual_time
async def test_refused_connections_are_tried_again_after_the_configured_back_off() -> None:
    async with InProcessServer.start() as server:
        back_off = Backoff(first=2, factor=2, cap=100, jitter=0)
        async with caching(server, backoff=back_off) as cache:
            await cache.wait_for_sync()
            await asyncio.sleep(1)
            begun = LoopClock().monotonic()
            await server.restart(down_seconds=25)
            await asyncio.sleep(20)
            assert [round(at - begun) for _, at in asked(server, begun)] == [30]  # 0, 2, 6 and 14 were refused


class Stuck:
    """A transport that gets as far as `stage` with each of its streams."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.open = 0

    @asynccontextmanager
    async def stream(self, _path: str, params: Any, _headers: Any = None) -> AsyncIterator[Any]:
        self.open += 1
        chunks = self.chunks(params)
        try:
            if self.stage == "opening":
                await asyncio.Event().wait()
            if self.stage == "pausing":
                raise ConnectionLostError("away")
            yield chunks
        finally:
            self.open -= 1
            await chunks.aclose()

    async def chunks(self, params: Any) -> AsyncGenerator[bytes, None]:
        if self.stage == "within the list":
            yield b'{"kind":"ThingList","items":[{"metadata":' if "watch" not in params else b'{"type":"ADD'
        elif "watch" not in params:
            yield b'{"kind":"ThingList","metadata":{"resourceVersion":"7"},"items":[]}'
            return
        else:
            yield END
        await asyncio.Event().wait()


@pytest.mark.parametrize("stage", ["opening", "pausing", "within the list", "watching"])
@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "listing"])
@virtual_time
async def test_a_cancelled_reflector_leaves_no_task_and_no_connection(stage: str, streaming: bool) -> None:
    stuck = Stuck(stage)
    client = Client(stuck, field_manager="test")  # type: ignore[arg-type]
    cache = Cache(client, clock=LoopClock(), reflector=ReflectorSettings(streaming=streaming))
    cache.register(THING)
    running = asyncio.create_task(cache.run())
    await asyncio.sleep(25)
    assert cache.pending == ([] if stage == "watching" else ["Thing.example.org/v1"])
    assert stuck.open == (stage != "pausing")
    running.cancel()
    await asyncio.wait([running])
    await asyncio.sleep(0)
    assert stuck.open == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Broken:
    """Takes what a reflector hands on, until it fails at a complete list."""

    async def replace(self, _entries: Any, _version: str) -> None:
        raise ValueError("a defect of ours")


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "listing"])
@virtual_time
async def test_a_list_that_cannot_be_kept_is_not_passed_over(streaming: bool) -> None:
    client = Client(Stuck("watching"), field_manager="test")  # type: ignore[arg-type]
    settings = ReflectorSettings(streaming=streaming)
    target: Any = Broken()
    reflector = Reflector(THING, Scope(), client, target, LoopClock(), lambda: 0.0, settings)
    with pytest.raises(ValueError, match="defect"):
        await reflector.run()


class OneList:
    """A transport whose server has one list to give and then no watch."""

    def __init__(self, body: bytes, chunk: int = 65_536) -> None:
        self.body: bytes | None = body
        self.chunk = chunk

    @asynccontextmanager
    async def stream(self, _path: str, params: Any, _headers: Any = None) -> AsyncIterator[Any]:
        if "watch" in params or self.body is None:
            raise ConnectionLostError("away")

        async def chunks() -> AsyncIterator[bytes]:
            body, self.body = self.body or b"", None
            for at in range(0, len(body), self.chunk):
                yield body[at : at + self.chunk]

        yield chunks()


@virtual_time
async def test_a_list_that_arrives_as_one_chunk_is_taken_in_with_turns_for_others() -> None:
    items = [{"metadata": {"name": str(number)}, "x": "y" * 2_000} for number in range(5_000)]
    body = orjson.dumps({"kind": "ThingList", "metadata": {"resourceVersion": "7"}, "items": items})
    client = Client(OneList(body, len(body)), field_manager="test")  # type: ignore[arg-type]
    most = 0
    async for part in client.list_parts(THING):
        most = max(most, len(part.items or ()))
    assert 100 < most < 200


@virtual_time
async def test_the_memory_of_a_list_is_let_go_once_it_is_read() -> None:
    item = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"managedFields": [{"x": "y" * 20_000}]}}
    items = [{**item, "metadata": {**item["metadata"], "name": str(number)}} for number in range(500)]
    transport = OneList(orjson.dumps({"kind": "ThingList", "metadata": {"resourceVersion": "7"}, "items": items}))
    del items, item
    client = Client(transport, field_manager="test")  # type: ignore[arg-type]
    cache = Cache(client, clock=LoopClock(), reflector=ReflectorSettings(streaming=False))
    cache.register(THING)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        running = asyncio.create_task(cache.run())
        await cache.wait_for_sync()
        gc.collect()
        kept, peak = (size - before for size in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    assert len(cache.entries(THING)) == 500
    assert kept < 1_000_000  # of ten megabytes
    assert peak < 2_000_000
    running.cancel()
    await asyncio.wait([running])
