"""Each trouble of a plan befalls the request or event that it names, and looks to a client as it does on a network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from kaito.core import (
    ApiError,
    Client,
    ConnectionLostError,
    ExpiredError,
    Key,
    Object,
    TooManyRequestsError,
    WatchEvent,
)
from kaito.core.errors import KaitoError
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import Asked, Disturbance, InProcessServer, LoopClock, Trouble, virtual_time

KEY = Key("default", "note")


def note(name: str = "note") -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


@asynccontextmanager
async def disturbed(*plan: Disturbance) -> AsyncIterator[tuple[InProcessServer, Client]]:
    async with InProcessServer.start() as server:
        await server.client.list(CONFIG_MAP)
        server.disturb(*plan)
        yield server, server.client


async def exists(client: Client) -> bool:
    return any(one["metadata"]["name"] == "note" for one in (await client.list(CONFIG_MAP, "default")).items)


@pytest.mark.parametrize(
    ("trouble", "raised", "took_effect"),
    [
        (Trouble.DROP, ConnectionLostError, False),
        (Trouble.LOST_ANSWER, ConnectionLostError, True),
        (Trouble.HALF_FRAME, ConnectionLostError, True),
        (Trouble.TOO_MANY_SILENT, TooManyRequestsError, False),
        (Trouble.BROKEN, ApiError, False),
        (Trouble.EXPIRED, ExpiredError, False),
        (Trouble.RESTART, ConnectionLostError, False),
    ],
)
@virtual_time
async def test_a_write_that_meets_trouble_is_refused_or_lost(
    trouble: Trouble, raised: type[KaitoError], took_effect: bool
) -> None:
    async with disturbed(Disturbance(trouble, "create configmaps")) as (server, client):
        with pytest.raises(raised):
            await client.create(note())
        assert await exists(client) is took_effect
        assert server.struck == 1


@pytest.mark.parametrize("trouble", [Trouble.DELAY, Trouble.SLOW_BODY, Trouble.TOO_MANY])
@virtual_time
async def test_a_write_that_is_held_up_succeeds_after_its_seconds(trouble: Trouble) -> None:
    async with disturbed(Disturbance(trouble, "create configmaps", seconds=3)) as (server, client):
        started = LoopClock().monotonic()
        await client.create(note())
        assert LoopClock().monotonic() - started == pytest.approx(3, abs=0.2)
        assert server.struck == 1


@virtual_time
async def test_a_reordered_write_takes_effect_after_one_that_was_asked_for_later() -> None:
    async with disturbed(Disturbance(Trouble.REORDER, "create configmaps")) as (_, client):
        first = asyncio.create_task(client.create(note("first")))
        await asyncio.sleep(0.1)
        second = await client.create(note("second"))
        assert int((await first)["metadata"]["resourceVersion"]) > int(second["metadata"]["resourceVersion"])


@virtual_time
async def test_a_server_that_hangs_never_answers_and_the_client_gives_up() -> None:
    async with disturbed(Disturbance(Trouble.HANG, "create configmaps")) as (_, client):
        with pytest.raises(ConnectionLostError):
            await client.create(note())
        assert LoopClock().monotonic() < 120


@virtual_time
async def test_a_list_that_is_no_json_is_an_error_with_a_name() -> None:
    async with disturbed(Disturbance(Trouble.GARBAGE, "list configmaps")) as (_, client):
        with pytest.raises(KaitoError):
            await client.list(CONFIG_MAP)


async def watched(server: InProcessServer, names: str = "abc") -> list[str]:
    """The names that one watch yields while three objects are made; the end of it in words."""
    version = (await server.client.list(CONFIG_MAP)).resource_version
    seen: list[str] = []

    async def read() -> None:
        async for event in server.client.watch(CONFIG_MAP, resource_version=version):
            assert isinstance(event, WatchEvent)
            seen.append(event.object["metadata"]["name"])

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    for name in names:
        with suppress(ConnectionLostError):
            await server.client.create(note(name))
    done, _ = await asyncio.wait([reading], timeout=30)
    if not done:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return seen
    return [*seen, type(reading.exception()).__name__]


@pytest.mark.parametrize(
    ("trouble", "seen"),
    [
        (Trouble.DROP, ["a", "ConnectionLostError"]),
        (Trouble.LOST_ANSWER, ["a", "b", "ConnectionLostError"]),
        (Trouble.HALF_FRAME, ["a", "ConnectionLostError"]),
        (Trouble.EXPIRED, ["a", "ExpiredError"]),
        (Trouble.BROKEN, ["a", "ApiError"]),
        (Trouble.DELAY, ["a", "b", "c"]),
        (Trouble.REORDER, ["a", "b", "c"]),
        (Trouble.SLOW_BODY, ["a", "b", "c"]),
        (Trouble.HANG, ["a"]),
        (Trouble.RESTART, ["a", "ConnectionLostError"]),
    ],
)
@virtual_time
async def test_a_watch_meets_trouble_at_the_event_that_is_named(trouble: Trouble, seen: list[str]) -> None:
    async with disturbed(Disturbance(trouble, "watch configmaps", event=2)) as (server, _):
        assert await watched(server) == seen
        assert server.struck == 1


@virtual_time
async def test_a_server_that_starts_again_has_its_objects_and_no_history() -> None:
    async with InProcessServer.start() as server:
        before = (await server.client.list(CONFIG_MAP)).resource_version
        await server.client.create(note())
        restarting = asyncio.create_task(server.restart(down_seconds=5))
        await asyncio.sleep(1)
        with pytest.raises(ConnectionLostError):
            await server.client.create(note("meanwhile"))
        await restarting
        assert await exists(server.client)
        with pytest.raises(ExpiredError):
            await anext(aiter(server.client.watch(CONFIG_MAP, resource_version=before)))


@virtual_time
async def test_the_busiest_minute_counts_every_request_of_sixty_seconds() -> None:
    async with InProcessServer.start() as server:
        for _ in range(10):
            await server.client.list(CONFIG_MAP)
            await asyncio.sleep(20)
        assert server.busiest_minute() == 3
        assert [str(one) for one in server.asked[-1:]] == ["list configmaps"]


@pytest.mark.parametrize(
    ("method", "path", "query", "words"),
    [
        ("GET", "/api/v1/pods", {"watch": "1"}, "watch pods"),
        ("GET", "/api/v1/namespaces/ns/pods/p/log", {}, "get pods/log ns/p"),
        ("PATCH", "/apis/a.io/v1/namespaces/ns/things/t/status", {}, "patch things/status ns/t"),
        ("DELETE", "/api/v1/namespaces/ns/pods", {}, "deletecollection pods ns/"),
        ("GET", "/apis", {}, "discover /apis"),
    ],
)
def test_requests_are_told_apart_as_the_api_does(method: str, path: str, query: dict[str, str], words: str) -> None:
    assert str(Asked.of(method, path, query, 0)) == words


@pytest.mark.parametrize("of", ["wach", "get:pods"])
def test_a_disturbance_of_no_verb_is_refused(of: str) -> None:
    with pytest.raises(ValueError, match="is no verb"):
        Disturbance(Trouble.DROP, of)


def test_only_a_watch_has_events() -> None:
    with pytest.raises(ValueError, match="only a watch has events"):
        Disturbance(Trouble.DROP, "list pods", event=1)
