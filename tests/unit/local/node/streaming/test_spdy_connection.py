"""A client's SPDY connection, over a carrier in memory: what a client may do, and what it may not."""

import asyncio
from collections.abc import Callable

import pytest

from kaito.local.node.streaming import inbox
from kaito.local.node.streaming import spdy_frames as frames
from kaito.local.node.streaming.spdy_connection import DATA_BYTES, STREAMS_LIMIT, SpdyConnection, Stream
from kaito.local.node.streaming.spdy_frames import Frame, FrameReader, FrameWriter

TIMEOUT = 10.0


class Client:
    """The client's end, frame by frame; a carrier for the server's."""

    def __init__(self, accepts: Callable[[Stream], bool] = lambda _: True) -> None:
        self.opened: list[Stream] = []
        self.sent = 0
        self._accepts = accepts
        self._to_server: asyncio.Queue[bytes] = asyncio.Queue()
        self._from_server: asyncio.Queue[Frame] = asyncio.Queue()
        self._reader, self._writer = FrameReader(), FrameWriter()
        self._server = asyncio.create_task(SpdyConnection(self, self._open).run())

    def _open(self, stream: Stream) -> bool:
        self.opened.append(stream)
        return self._accepts(stream)

    async def read(self) -> bytes:
        return await self._to_server.get()

    async def write(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            self._from_server.put_nowait(frame)

    def send(self, *sent: Frame) -> None:
        for frame in sent:
            self._to_server.put_nowait(self._writer.encode(frame))

    def send_bytes(self, data: bytes) -> None:
        self._to_server.put_nowait(data)

    async def receive(self) -> Frame:
        async with asyncio.timeout(TIMEOUT):
            return await self._from_server.get()

    async def open(self, number: int, **headers: str) -> Stream:
        self.send(frames.SynStream(number, headers))
        assert await self.receive() == frames.SynReply(number)
        return self.opened[-1]

    async def end(self) -> None:
        self.send_bytes(b"")
        async with asyncio.timeout(TIMEOUT):
            await self._server


async def test_a_stream_carries_headers_and_data_both_ways() -> None:
    client = Client()
    stream = await client.open(1, streamtype="stdin")
    assert stream.headers == {"streamtype": "stdin"}
    client.send(frames.Data(1, b"to"), frames.Data(1, b" end", fin=True))
    assert [await stream.read() for _ in range(3)] == [b"to", b" end", b""]
    await stream.write(b"from")
    await stream.finish()
    assert await client.receive() == frames.Data(1, b"from")
    assert await client.receive() == frames.Data(1, b"", fin=True)
    await client.end()


async def test_what_was_read_is_acknowledged() -> None:
    client = Client()
    stream = await client.open(1)
    client.send(frames.Data(1, b"12345"))
    await stream.read()
    assert await client.receive() == frames.WindowUpdate(1, 5)
    await client.end()


async def test_a_sender_does_not_wait_for_a_window_that_clients_never_open() -> None:
    client = Client()
    stream = await client.open(1)
    async with asyncio.timeout(TIMEOUT):
        await stream.write(bytes(10 * DATA_BYTES))
    sizes = [frame.data for frame in [await client.receive() for _ in range(10)] if isinstance(frame, frames.Data)]
    assert [len(size) for size in sizes] == [DATA_BYTES] * 10
    await client.end()


async def test_a_stream_that_nobody_reads_holds_the_connection_up_and_a_finished_one_does_not() -> None:
    client = Client()
    stream = await client.open(1)
    client.send(*[frames.Data(1, bytes(1 << 20)) for _ in range(2 * inbox.LIMIT >> 20)], frames.Ping(1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.receive()
    await stream.finish()
    assert await client.receive() == frames.Data(1, b"", fin=True)
    assert await client.receive() == frames.Ping(1)
    await client.end()


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "gone"])
async def test_a_reset_or_a_vanished_client_ends_reading_and_fails_writing(reset: bool) -> None:
    client = Client()
    stream = await client.open(1)
    if reset:
        client.send(frames.RstStream(1, frames.CANCEL))
        assert await stream.read() == b""
    await client.end()
    assert await stream.read() == b""
    with pytest.raises(ConnectionResetError):
        await stream.write(b"data")


async def test_a_stream_that_is_not_wanted_is_refused() -> None:
    client = Client(accepts=lambda _: False)
    await client.open(1)
    assert await client.receive() == frames.RstStream(1, frames.REFUSED_STREAM)
    await client.end()


@pytest.mark.parametrize("number", [2, 1, 3], ids=["even", "lower", "again"])
async def test_a_stream_number_out_of_order_is_an_error_of_that_stream(number: int) -> None:
    client = Client()
    await client.open(3)
    client.send(frames.SynStream(number))
    assert await client.receive() == frames.RstStream(number, frames.PROTOCOL_ERROR)
    assert len(client.opened) == 1
    await client.end()


async def test_data_of_a_stream_that_was_never_opened_is_refused() -> None:
    client = Client()
    client.send(frames.Data(7, b"data"))
    assert await client.receive() == frames.RstStream(7, frames.INVALID_STREAM)
    await client.end()


async def test_streams_beyond_the_limit_are_refused_and_room_comes_back() -> None:
    client = Client()
    for index in range(STREAMS_LIMIT):
        await client.open(2 * index + 1)
    client.send(frames.SynStream(2 * STREAMS_LIMIT + 1))
    assert await client.receive() == frames.RstStream(2 * STREAMS_LIMIT + 1, frames.REFUSED_STREAM)
    client.send(frames.RstStream(1, frames.CANCEL))
    await client.open(2 * STREAMS_LIMIT + 3)
    await client.end()


async def test_pings_come_back_and_what_concerns_no_server_is_passed_over() -> None:
    client = Client()
    client.send(frames.Settings({4: 100}), frames.WindowUpdate(1, 5), frames.GoAway(0), frames.Ping(2), frames.Ping(3))
    assert await client.receive() == frames.Ping(3)
    await client.end()


async def test_bytes_that_are_no_spdy_end_the_connection() -> None:
    client = Client()
    stream = await client.open(1)
    client.send_bytes(b"\x80\x02\x00\x01\x00\x00\x00\x00")
    assert await client.receive() == frames.GoAway(1, frames.PROTOCOL_ERROR)
    assert await stream.read() == b""
    await client.end()
