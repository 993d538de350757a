"""A server's side of `Connection: Upgrade`: the bytes of an aiohttp request's connection, once HTTP is over on it.

aiohttp itself upgrades to WebSocket alone. Not exported by `kaito.core`: only servers pay for importing aiohttp.web.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

READ_BYTES = 1 << 16
CLOSE_SECONDS = 1.0
"""How long what the peer has not read may keep a connection open that we close."""
_KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 6}
"""Seconds of silence before the peer is probed, between two probes, and how many go unanswered before it is gone."""


class TakenOver(web.StreamResponse):
    """What a handler returns once a connection was taken over: nothing that aiohttp would still have to send."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    @property
    def prepared(self) -> bool:
        """Always so: the head of the answer has been sent."""
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send nothing."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""


class Connection:
    """Bytes both ways. A vanished peer reads as the end, and raises ConnectionError when written to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Return what has come, empty at the end."""
        try:
            return await self._reader.read(READ_BYTES)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send; returns when the peer keeps up. Raises ConnectionError when it is gone."""
        self._writer.write(data)
        await self._writer.drain()

    def abort(self) -> None:
        """Cut the connection; who reads from it reads the end."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close, whatever the state of the peer."""
        await close_writer(self._writer)


async def close_writer(writer: asyncio.StreamWriter) -> None:
    """Close a connection; what its peer does not take within CLOSE_SECONDS is dropped."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except TimeoutError:
        writer.transport.abort()  # not before: asyncio fails to abort what has closed
    except OSError:
        pass


@asynccontextmanager
async def take_over(request: web.BaseRequest, head: bytes) -> AsyncIterator[Connection]:
    """Send `head`, an answer's status line and headers, and yield the connection; closed at the end of the block.

    The client must not have sent anything of the new protocol yet, as clients of SPDY and WebSocket never do.
    The handler returns `TakenOver()` afterwards. Raises ConnectionResetError when the client has gone already.
    """
    before, transport = request.protocol, request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has gone")
    watch_for_silence(transport)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    connection = Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
    try:
        await connection.write(head)
        yield connection
    finally:
        await connection.close()
        before.connection_lost(None)  # aiohttp's own end of the connection, which no longer hears of it


def watch_for_silence(transport: asyncio.BaseTransport) -> None:
    """Have the kernel find out, within about 90 s, that the peer's machine is gone."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def switching_protocols(headers: Mapping[str, str]) -> bytes:
    """Return the head of the answer that accepts an upgrade."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
