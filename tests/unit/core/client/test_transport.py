"""Retries follow client-go: only where asked for, and never a write that may have happened."""

import asyncio
import itertools

import pytest
from aiohttp import web

from kaito.core import (
    Client,
    ConnectionLostError,
    ConnectionSettings,
    ForbiddenError,
    Key,
    TooManyRequestsError,
)
from kaito.core.client import answers
from kaito.core.clock import deadline
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import VirtualClock

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}
MAPS = "/api/v1/namespaces/ns/configmaps"


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
async def client(api, clock):
    connected = await Client.connect(api.settings, field_manager="test", clock=clock)
    yield connected
    await connected.close()


def times(number, answer):
    """A fault for the first requests."""
    left = iter(range(number))
    return lambda request: answer(request) if next(left, None) is not None else None


@pytest.mark.parametrize("code", [429, 500, 503, 504])
async def test_a_refusal_with_retry_after_is_tried_again_after_that_time(api, client, clock, until, refuse, code):
    api.faults.append(times(2, lambda _: refuse(code, "X", **{"Retry-After": "3"})))
    creating = asyncio.create_task(client.create(CONFIG))
    for number in (1, 2):
        await until(lambda: clock.sleeping)
        assert len(api.requests) == number
        await clock.advance(2.5)
        assert len(api.requests) == number
        await clock.advance(0.6)
    assert (await creating)["metadata"]["name"] == "a"
    assert len(api.requests) == 3


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_refusal_without_retry_after_is_final(api, client, refuse, code):
    api.faults.append(lambda _: refuse(code, "X", "why"))
    with pytest.raises(Exception, match="why") as caught:
        await client.create(CONFIG)
    assert caught.value.code == code
    assert len(api.requests) == 1


async def test_patience_ends_after_ten_tries(api, client, clock, until, refuse):
    api.faults.append(lambda _: refuse(429, "TooManyRequests", **{"Retry-After": "1"}))
    getting = asyncio.create_task(client.get(CONFIG_MAP, Key("ns", "a")))
    for _ in range(9):
        await until(lambda: clock.sleeping)
        await clock.advance(1)
    with pytest.raises(TooManyRequestsError) as caught:
        await getting
    assert caught.value.retry_after == 1
    assert len(api.requests) == 10


def drop(request: web.Request) -> None:
    request.transport.abort()


async def test_a_read_is_tried_again_when_its_connection_breaks(api, client, clock, until):
    api.put("a", collection=MAPS, data={"x": "1"})
    api.faults.append(times(3, drop))
    getting = asyncio.create_task(client.get(CONFIG_MAP, Key("ns", "a")))
    while not getting.done():
        await until(lambda: clock.sleeping or getting.done())
        await clock.advance(1)
    assert (await getting)["data"] == {"x": "1"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_is_not_sent_again_when_its_connection_breaks(api, client, method):
    """The HTTP library would do that to the two that HTTP calls idempotent."""
    api.faults.append(drop)
    with pytest.raises(ConnectionLostError):
        await client.request(method, f"{MAPS}/a", body={})
    assert len(api.seen(method)) == 1


async def test_a_read_is_sent_ten_times_and_no_more_to_a_server_that_breaks_each_connection(api, client, clock, until):
    api.faults.append(drop)
    getting = asyncio.create_task(client.get(CONFIG_MAP, Key("ns", "a")))
    while not getting.done():
        await until(lambda: clock.sleeping or getting.done())
        await clock.advance(1)
    with pytest.raises(ConnectionLostError):
        await getting
    assert len(api.seen("GET")) == 10


async def test_no_server_is_a_lost_connection_that_names_the_address(client, api):
    await api.stop()
    with pytest.raises(ConnectionLostError, match=f"127.0.0.1:{api.port}"):
        await client.get(CONFIG_MAP, Key("ns", "a"))


async def test_a_rotated_token_is_read_again(api, tmp_path, refuse):
    token = tmp_path / "token"
    token.write_text("old")
    seen = []

    def check(request):
        seen.append(request.headers["Authorization"])
        return None if seen[-1] == "Bearer new" else refuse(401, "Unauthorized")

    api.faults.append(check)
    settings = ConnectionSettings(api.settings.server, token_file=token)
    client = await Client.connect(settings, field_manager="test", clock=VirtualClock())
    try:
        with pytest.raises(ForbiddenError):
            await client.create(CONFIG)
        token.write_text("new")
        await client.create(CONFIG)
    finally:
        await client.close()
    assert seen == ["Bearer old", "Bearer old", "Bearer new"]


async def test_an_answer_that_is_no_status_still_names_the_request(api, client):
    api.faults.append(lambda _: web.Response(status=502, text="bad gateway"))
    with pytest.raises(Exception, match="POST /api/v1/namespaces/ns/configmaps: bad gateway"):
        await client.create(CONFIG)


async def test_warnings_of_the_server_are_logged_once(api, client, monkeypatch):
    logged = []
    monkeypatch.setattr(
        answers, "log", type("Log", (), {"warning": lambda _self, _m, warning: logged.append(warning)})()
    )
    api.faults.append(lambda _: web.json_response({"metadata": {}}, headers={"Warning": '299 - "v1 is old"'}))
    for _ in range(3):
        await client.request("GET", "/x")
    assert logged == ["v1 is old"]


async def test_requests_say_who_they_are(api, client):
    agents = []
    api.faults.append(lambda request: agents.append((request.headers["User-Agent"], request.headers["Authorization"])))
    await client.create(CONFIG)
    assert agents == [("test", "Bearer t0ken")]


async def test_a_refusal_of_who_we_are_says_what_to_renew_and_asks_once(api, tmp_path, refuse):
    token = tmp_path / "token"
    token.write_text("expired")
    api.faults.append(lambda _: refuse(401, "Unauthorized", "Unauthorized"))
    client = await Client.connect(ConnectionSettings(api.settings.server, token_file=token), field_manager="test")
    try:
        for attempt in (client.create(CONFIG), client.get(CONFIG_MAP, Key("ns", "a"))):
            with pytest.raises(ForbiddenError) as caught:
                await attempt
            assert str(token) in caught.value.remedy
            assert "expired" not in str(caught.value)
    finally:
        await client.close()
    assert len(api.requests) == 2


async def test_a_new_token_that_is_refused_too_is_tried_once(api, tmp_path, refuse):
    token = tmp_path / "token"
    numbers = itertools.count()

    def rotate(_):
        token.write_text(f"token-{next(numbers)}")
        return refuse(401, "Unauthorized")

    token.write_text("first")
    api.faults.append(rotate)
    client = await Client.connect(ConnectionSettings(api.settings.server, token_file=token), field_manager="test")
    try:
        with pytest.raises(ForbiddenError):
            await client.create(CONFIG)
    finally:
        await client.close()
    assert len(api.requests) == 2


async def test_a_deadline_ends_the_wait_for_a_patient_server(api, client, clock, until, refuse):
    api.faults.append(lambda _: refuse(429, "TooManyRequests", **{"Retry-After": "3600"}))

    async def limited():
        async with deadline(clock, 5):
            await client.create(CONFIG)

    creating = asyncio.create_task(limited())
    await until(lambda: clock.sleeping == 2)
    await clock.advance(5)
    with pytest.raises(TimeoutError):
        await creating
    assert len(api.requests) == 1


async def test_a_cancelled_request_does_not_wait_on(api, client, clock, until, refuse):
    api.faults.append(lambda _: refuse(503, "ServiceUnavailable", **{"Retry-After": "3600"}))
    creating = asyncio.create_task(client.create(CONFIG))
    await until(lambda: clock.sleeping)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert len(api.requests) == 1


@pytest.mark.parametrize("pause", ["1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", ""])
async def test_patience_is_asked_for_in_whole_seconds(api, client, refuse, pause):
    api.faults.append(lambda _: refuse(429, "TooManyRequests", **{"Retry-After": pause}))
    with pytest.raises(TooManyRequestsError):
        await client.create(CONFIG)
    assert len(api.requests) == 1


@pytest.mark.parametrize("garbage", [b"<html>", b'{"kind": "Conf', b"[]", b'"text"', b"\xff\xfe", b"null"])
async def test_an_answer_that_is_no_object_is_a_lost_connection(api, client, thing, garbage):
    api.faults.append(lambda _: web.Response(body=garbage, content_type="application/json"))
    attempts = (
        client.get(CONFIG_MAP, Key("ns", "a")),
        client.get_subresource(CONFIG_MAP, Key("ns", "a"), "x"),
        client.list(CONFIG_MAP, "ns"),
        client.list(thing),
        client.create(CONFIG),
        client.patch(CONFIG_MAP, Key("ns", "a"), {}),
        client.delete(CONFIG_MAP, Key("ns", "a")),
    )
    for attempt in attempts:
        with pytest.raises(ConnectionLostError):
            await attempt
    assert len(api.requests) == len(attempts)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ('299 - "one"', ["one"]),
        ('299 - "one", 299 - "two" "Sat, 25 Aug 2012 23:34:45 GMT"', ["one", "two"]),
        ('299 - "a \\"quoted\\" word"', ['a "quoted" word']),
        ('199 - "not for us"', []),
        ("299 garbage", []),
    ],
)
async def test_warnings_are_read_as_their_header_has_them(api, client, monkeypatch, header, said):
    logged = []
    monkeypatch.setattr(
        answers, "log", type("Log", (), {"warning": lambda _self, _m, warning: logged.append(warning)})()
    )
    api.faults.append(lambda _: web.json_response({"metadata": {}}, headers={"Warning": header}))
    await client.request("GET", "/x")
    assert logged == said
