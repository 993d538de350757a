"""HTTP without sockets: aiohttp's client and server joined by a pipe in memory, so that no byte waits for a kernel."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest


class Wire(asyncio.Transport):
    """One end of a connection. What is written here arrives at the other end in the next turn of the loop."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 0)})
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.BaseProtocol = protocol
        self.other: Wire | None = None
        self._closing = False
        self._paused = False
        self._kept: list[bytes] = []

    @staticmethod
    def join(client: asyncio.Protocol, server: asyncio.Protocol) -> None:
        """Connect two protocols."""
        ends = Wire(client), Wire(server)
        ends[0].other, ends[1].other = ends[1], ends[0]
        server.connection_made(ends[1])
        client.connection_made(ends[0])

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        if not self._closing and self.other is not None and data:
            self._loop.call_soon(self.other.arrive, bytes(data))

    def close(self) -> None:
        """End the connection, behind what was written."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._lost)

    def abort(self) -> None:
        """End the connection."""
        self.close()

    def is_closing(self) -> bool:
        """Say whether the connection ends."""
        return self._closing

    def is_reading(self) -> bool:
        """Say whether data is handed on."""
        return not self._paused

    def pause_reading(self) -> None:
        """Keep what arrives."""
        self._paused = True

    def resume_reading(self) -> None:
        """Hand on what was kept."""
        self._paused = False
        kept, self._kept = self._kept, []
        for data in kept:
            self._loop.call_soon(self.arrive, data)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replace the receiver."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the receiver."""
        return self._protocol

    def get_write_buffer_size(self) -> int:
        """Return 0: nothing is kept here."""
        return 0

    def arrive(self, data: bytes) -> None:
        """Take in what the other end wrote."""
        if self._closing:
            return
        if self._paused:
            self._kept.append(data)
        else:
            receiver = self._protocol
            assert isinstance(receiver, asyncio.Protocol)
            receiver.data_received(data)

    def _lost(self) -> None:
        self._protocol.connection_lost(None)
        if self.other is not None:
            self.other.close()


class WireConnector(aiohttp.BaseConnector):
    """An aiohttp connector whose every connection leads to a protocol that `server` makes."""

    def __init__(self, server: Callable[[], asyncio.Protocol]) -> None:
        super().__init__(limit=0)
        self._server = server

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Any],
        timeout: Any,  # noqa: ASYNC109 - aiohttp's signature
    ) -> ResponseHandler:
        protocol = self._factory()
        Wire.join(protocol, self._server())
        return protocol
