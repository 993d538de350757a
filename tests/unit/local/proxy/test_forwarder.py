"""A forwarder on real sockets of the loopback interface."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kaito.local.proxy.forwarder import Forwarder
from kaito.local.proxy.table import Address

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = "127.0.0.1"


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[Address]:
    running = await asyncio.start_server(handler, HOST, 0)
    try:
        yield Address(HOST, running.sockets[0].getsockname()[1])
    finally:
        running.close()


@asynccontextmanager
async def forwarder(*endpoints: Address) -> AsyncIterator[tuple[Forwarder, Address]]:
    one = Forwarder(Address(HOST, 0))
    one.lead_to(endpoints)
    await one.start()
    assert one._server is not None
    try:
        yield one, Address(HOST, one._server.sockets[0].getsockname()[1])
    finally:
        await one.stop()


def saying(text: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text + await reader.read())
        writer.close()

    return handle


async def exchange(address: Address, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def closed_port() -> Address:
    """An address that nothing listens on any more."""
    running = await asyncio.start_server(lambda *_: None, HOST, 0)
    port = running.sockets[0].getsockname()[1]
    running.close()
    await running.wait_closed()
    return Address(HOST, port)


async def test_the_end_of_the_request_is_passed_on_while_the_answer_still_comes() -> None:
    async with server(saying(b"heard ")) as endpoint, forwarder(endpoint) as (_, address):
        assert await exchange(address, b"question") == b"heard question"


async def test_connections_take_turns_over_the_endpoints() -> None:
    async with server(saying(b"a")) as a, server(saying(b"b")) as b, forwarder(a, b) as (_, address):
        answers = [await exchange(address, b"") for _ in range(4)]
    assert sorted(answers) == [b"a", b"a", b"b", b"b"]
    assert answers[0] != answers[1]


async def test_an_endpoint_that_does_not_accept_is_passed_over() -> None:
    async with server(saying(b"alive")) as alive, forwarder(await closed_port(), alive) as (_, address):
        assert [await exchange(address, b"") for _ in range(3)] == [b"alive"] * 3


async def test_when_no_endpoint_accepts_the_client_sees_a_reset_and_no_empty_answer() -> None:
    async with forwarder(await closed_port()) as (_, address):
        with pytest.raises(ConnectionError):
            await exchange(address, b"question")


async def test_new_endpoints_count_for_new_connections() -> None:
    async with server(saying(b"a")) as a, server(saying(b"b")) as b, forwarder(a) as (one, address):
        assert await exchange(address, b"") == b"a"
        one.lead_to([b])
        assert await exchange(address, b"") == b"b"


async def test_large_bodies_come_through_whole() -> None:
    body = bytes(range(256)) * 4096
    async with server(saying(b"")) as endpoint, forwarder(endpoint) as (_, address):
        assert await exchange(address, body) == body


async def test_stopping_ends_open_connections() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()
        writer.close()

    async with server(hold) as endpoint, forwarder(endpoint) as (one, address):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        assert await reader.readexactly(5) == b"hello"
        await one.stop()
        with pytest.raises(ConnectionError):
            await reader.read()
        writer.close()


async def test_an_address_that_is_taken_is_an_error_of_the_start() -> None:
    async with server(saying(b"")) as taken:
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            await Forwarder(taken).start()
