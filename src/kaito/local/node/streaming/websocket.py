"""Streams over one WebSocket: a command's channels (`v5.channel.k8s.io`), or a tunnelled SPDY connection.

Every message is binary and begins with the number of its channel. Since v5, a message of channel 255 says that no more
will come on the channel it names. Source: KEP 4006, and k8s.io/client-go/tools/remotecommand/websocket.go.
"""

import asyncio
import contextlib
from typing import Any

from aiohttp import WSMsgType, web

from kaito.core.objects import Object
from kaito.core.upgrade import watch_for_silence
from kaito.local.node.streaming.inbox import Inbox
from kaito.local.node.streaming.remote_command import Channels, Wanted, status_for

COMMAND_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


async def accept_websocket(request: web.Request, protocols: tuple[str, ...]) -> web.WebSocketResponse:
    """Answer the handshake. Raises HTTPBadRequest when it is none."""
    socket = web.WebSocketResponse(protocols=protocols, max_msg_size=0, compress=False, timeout=5.0)
    await socket.prepare(request)
    if request.transport is not None:
        watch_for_silence(request.transport)
    return socket


class _Outgoing:
    """A channel that is written to."""

    def __init__(self, socket: web.WebSocketResponse, channel: int) -> None:
        self._socket = socket
        self._prefix = bytes([channel])

    async def write(self, data: bytes) -> None:
        if self._socket.closed:
            raise ConnectionResetError("the client has gone")
        await self._socket.send_bytes(self._prefix + data)


class WebSocketCommand:
    """One client's command: an async context manager around its WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, wanted: Wanted) -> None:
        self._socket = socket
        self._wanted = wanted
        self._protocol = socket.ws_protocol or COMMAND_PROTOCOLS[-1]
        self._incoming = {STDIN: Inbox(), RESIZE: Inbox()}
        self.gone = asyncio.Event()

    async def __aenter__(self) -> "WebSocketCommand":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            async for message in self._socket:
                if message.type is WSMsgType.BINARY and message.data:
                    await self._take(message.data[0], message.data[1:])
        finally:
            for channel in self._incoming.values():
                channel.end()
            self.gone.set()

    async def _take(self, channel: int, data: bytes) -> None:
        if channel == CLOSE and self._protocol == COMMAND_PROTOCOLS[0]:
            for number in data[:1]:
                if number in self._incoming:
                    self._incoming[number].end()
        elif channel in self._incoming:
            await self._incoming[channel].take(data)

    async def channels(self) -> Channels:
        """Return the channels; all are there from the start."""
        wanted = self._wanted
        return Channels(
            stdin=self._incoming[STDIN] if wanted.stdin else None,
            stdout=_Outgoing(self._socket, STDOUT) if wanted.stdout else None,
            stderr=_Outgoing(self._socket, STDERR) if wanted.stderr else None,
            sizes=self._incoming[RESIZE] if wanted.tty else None,
        )

    async def finish(self, status: Object) -> None:
        """Tell how the command ended and close."""
        with contextlib.suppress(ConnectionError):
            await _Outgoing(self._socket, ERROR).write(status_for(self._protocol, status))
        for channel in self._incoming.values():
            channel.end()  # whatever waits for room must not keep the closing handshake from being read
        await self._socket.close()


class WebSocketTunnel:
    """A WebSocket as a carrier of bytes: the messages' limits mean nothing."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        """Return the next message's bytes, empty when the client has closed."""
        while True:
            message: Any = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                if message.data:
                    return bytes(message.data)
            elif message.type is not WSMsgType.TEXT:
                return b""

    async def write(self, data: bytes) -> None:
        """Send as one message. Raises ConnectionError when the client is gone."""
        if self._socket.closed:
            raise ConnectionResetError("the client has gone")
        await self._socket.send_bytes(data)
