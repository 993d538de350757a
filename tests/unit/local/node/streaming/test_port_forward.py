"""Port-forward over a carrier in memory, to TCP servers of this process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kaito.local.node.streaming import spdy_frames as frames
from kaito.local.node.streaming.port_forward import forward_ports
from kaito.local.node.streaming.spdy_frames import Frame, FrameReader, FrameWriter

TIMEOUT = 10.0
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Client:
    """The client's end, and the carrier of the server's."""

    def __init__(self) -> None:
        self._to_server: asyncio.Queue[bytes] = asyncio.Queue()
        self._from_server: asyncio.Queue[Frame] = asyncio.Queue()
        self._reader, self._writer = FrameReader(), FrameWriter()
        self.served = asyncio.create_task(forward_ports(self, "web", "127.0.0.1"))

    async def read(self) -> bytes:
        return await self._to_server.get()

    async def write(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            self._from_server.put_nowait(frame)

    def send(self, *sent: Frame) -> None:
        for frame in sent:
            self._to_server.put_nowait(self._writer.encode(frame))

    def connect(self, port: int, request: int = 0, first: int = 1) -> None:
        headers = {"port": str(port), "requestid": str(request)}
        self.send(frames.SynStream(first, {"streamtype": "error", **headers}, fin=True))
        self.send(frames.SynStream(first + 2, {"streamtype": "data", **headers}))

    async def received(self, *numbers: int) -> dict[int, bytes]:
        """Return all data of these streams, each to its end."""
        data, open_ = dict.fromkeys(numbers, b""), set(numbers)
        async with asyncio.timeout(TIMEOUT):
            while open_:
                frame = await self._from_server.get()
                if isinstance(frame, frames.Data):
                    data[frame.stream] += frame.data
                    open_ -= {frame.stream} if frame.fin else set()
        return data

    async def next(self, kind: type[Frame]) -> Frame:
        async with asyncio.timeout(TIMEOUT):
            while not isinstance(frame := await self._from_server.get(), kind):
                pass
        return frame

    async def leave(self) -> None:
        self._to_server.put_nowait(b"")
        async with asyncio.timeout(TIMEOUT):
            await self.served


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[Handler], Awaitable[int]]]:
    servers = []

    async def start(handler: Handler) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        servers.append(await asyncio.start_server(handler, sock=listener))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.close()


async def test_each_pair_of_streams_is_a_connection(listen: Callable[[Handler], Awaitable[int]]) -> None:
    client, port = Client(), await listen(echo)
    for request in range(3):
        client.connect(port, request, 4 * request + 1)
    for request in range(3):
        client.send(frames.Data(4 * request + 3, f"of {request}".encode(), fin=True))
    data = await client.received(1, 3, 5, 7, 9, 11)
    assert data == {1: b"", 3: b"of 0", 5: b"", 7: b"of 1", 9: b"", 11: b"of 2"}
    await client.leave()


async def test_a_port_that_refuses_is_told_on_the_error_stream(listen: Callable[[Handler], Awaitable[int]]) -> None:
    client, port = Client(), await listen(echo)
    client.connect(1)
    data = await client.received(1, 3)
    assert data[1] == b"error forwarding port 1 to pod web: dial tcp 127.0.0.1:1: connect: connection refused"
    client.connect(port, 1, 5)
    client.send(frames.Data(7, b"still there", fin=True))
    assert (await client.received(5, 7))[7] == b"still there"
    await client.leave()


@pytest.mark.parametrize(
    "headers",
    [
        {"streamtype": "other", "port": "80"},
        {"streamtype": "data", "port": "0"},
        {"streamtype": "data", "port": "65536"},
        {"streamtype": "data", "port": "http"},
        {"streamtype": "data"},
        {},
    ],
)
async def test_what_is_no_stream_of_a_port_is_refused(headers: dict[str, str]) -> None:
    client = Client()
    client.send(frames.SynStream(1, {"requestid": "1", **headers}))
    assert await client.next(frames.RstStream) == frames.RstStream(1, frames.REFUSED_STREAM)
    await client.leave()


async def test_the_second_stream_of_a_pair_must_name_the_same_port() -> None:
    client = Client()
    client.send(frames.SynStream(1, {"streamtype": "error", "port": "80", "requestid": "1"}))
    client.send(frames.SynStream(3, {"streamtype": "data", "port": "81", "requestid": "1"}))
    assert await client.next(frames.RstStream) == frames.RstStream(3, frames.REFUSED_STREAM)
    await client.leave()


@pytest.mark.parametrize("reads", [True, False], ids=["idle", "never reads"])
async def test_a_client_that_goes_leaves_no_connection(
    listen: Callable[[Handler], Awaitable[int]], reads: bool
) -> None:
    closed, opened = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.set()
        if not reads:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await left.wait()
            writer.transport.resume_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):
            await reader.read()
        closed.set()
        writer.close()

    left = asyncio.Event()
    client, port = Client(), await listen(hold)
    client.connect(port)
    async with asyncio.timeout(TIMEOUT):
        await opened.wait()
    if not reads:
        client.send(*[frames.Data(3, bytes(1 << 20)) for _ in range(5)])  # beyond what the kernel holds for it
        await client.next(frames.WindowUpdate)
    await client.leave()
    left.set()
    async with asyncio.timeout(TIMEOUT):
        await closed.wait()
