"""Port-forward: pairs of SPDY streams, data and error, each pair a connection to a port of the pod.

Source: k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go.
"""

import asyncio
import contextlib
import os
from dataclasses import dataclass

from kaito.core.upgrade import READ_BYTES, close_writer
from kaito.local.node.streaming.spdy_connection import ByteConnection, SpdyConnection, Stream

PROTOCOL = "portforward.k8s.io"
CONNECT_SECONDS = 10.0
CREATION_SECONDS = 30.0
"""Seconds that a client has to open the second stream of a pair. Source: kubelet's DefaultStreamCreationTimeout."""


async def forward_ports(carrier: ByteConnection, pod: str, address: str) -> None:
    """Serve one client until it ends the connection; then every connection that it had is closed.

    `pod` is what a failure calls the pod; its ports are at `address`.
    """
    forwarder = _Forwarder(pod, address)
    try:
        await SpdyConnection(carrier, forwarder.opened).run()
    finally:
        await forwarder.close()


@dataclass
class _Pair:
    port: int
    data: Stream | None = None
    error: Stream | None = None


class _Forwarder:
    """Pairs the streams of one client by their `requestid`."""

    def __init__(self, pod: str, address: str) -> None:
        self._pod = pod
        self._address = address
        self._waiting: dict[str, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, stream: Stream) -> bool:
        """Take a new stream; refuse what is no part of a pair."""
        kind, port = stream.headers.get("streamtype", ""), stream.headers.get("port", "")
        if kind not in ("data", "error") or not port.isdigit() or not 0 < int(port) < 1 << 16:
            return False
        request = stream.headers.get("requestid") or str(stream.number - (2 if kind == "data" else 0))
        pair = self._waiting.get(request)
        if pair is None:
            pair = self._waiting[request] = _Pair(int(port))
            asyncio.get_running_loop().call_later(CREATION_SECONDS, self._expire, request, pair)
        if getattr(pair, kind) is not None or pair.port != int(port):
            return False
        setattr(pair, kind, stream)
        if pair.data is not None and pair.error is not None:
            del self._waiting[request]
            self._spawn(pair.data, pair.error, pair.port)
        return True

    def _expire(self, request: str, pair: _Pair) -> None:
        if self._waiting.get(request) is pair:
            del self._waiting[request]

    def _spawn(self, data: Stream, error: Stream, port: int) -> None:
        task = asyncio.create_task(self._forward(data, error, port))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, data: Stream, error: Stream, port: int) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(self._address, port, limit=READ_BYTES)
        except OSError as failure:  # TimeoutError is one
            cause = os.strerror(failure.errno).lower() if failure.errno else "i/o timeout"
            text = f"error forwarding port {port} to pod {self._pod}: dial tcp {self._address}:{port}: connect: {cause}"
            with contextlib.suppress(ConnectionError):
                await error.write(text.encode())
        else:
            await _relay(data, reader, writer)
        await data.finish()
        await error.finish()

    async def close(self) -> None:
        """Close every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _relay(data: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy both ways until the pod's side has ended, or the client's has gone."""
    sending = asyncio.create_task(_send(data, writer))
    try:
        with contextlib.suppress(OSError):
            while part := await reader.read(READ_BYTES):
                await data.write(part)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await close_writer(writer)


async def _send(data: Stream, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await data.read():
            writer.write(part)
            await writer.drain()
        writer.write_eof()
