"""A remote command's channels as SPDY streams, told apart by their header `streamtype`.

Source: k8s.io/kubelet/pkg/cri/streaming/remotecommand/httpstream.go.
"""

import asyncio
import contextlib

from kaito.core.objects import Object
from kaito.local.node.streaming.remote_command import Channels, Wanted, status_for
from kaito.local.node.streaming.spdy_connection import ByteConnection, SpdyConnection, Stream

PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
"""Served stream protocols, best first. v3 brought the resize stream, v4 the JSON status."""
CREATION_SECONDS = 30.0
"""Seconds that a client has to open its streams. Source: kubelet's DefaultStreamCreationTimeout."""


class SpdyCommand:
    """One client's command: an async context manager around its connection."""

    def __init__(self, carrier: ByteConnection, protocol: str, wanted: Wanted) -> None:
        self._protocol = protocol
        self._expected = {"error"}
        self._expected |= {name for name in ("stdin", "stdout", "stderr") if getattr(wanted, name)}
        if wanted.tty and protocol.startswith(("v3", "v4")):
            self._expected.add("resize")
        self._streams: dict[str, Stream] = {}
        self._complete = asyncio.Event()
        self._connection = SpdyConnection(carrier, self._opened)
        self.gone = asyncio.Event()

    async def __aenter__(self) -> "SpdyCommand":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._connection.run()
        finally:
            self.gone.set()
            self._complete.set()

    def _opened(self, stream: Stream) -> bool:
        kind = stream.headers.get("streamtype", "")
        if kind not in self._expected or kind in self._streams:
            return False
        self._streams[kind] = stream
        if self._expected == set(self._streams):
            self._complete.set()
        return True

    async def channels(self) -> Channels:
        """Return the channels once the client has opened them all. Raises TimeoutError and ConnectionResetError."""
        async with asyncio.timeout(CREATION_SECONDS):
            await self._complete.wait()
        if self.gone.is_set():
            raise ConnectionResetError("the client went before it had opened its streams")
        take = self._streams.get
        return Channels(take("stdin"), take("stdout"), take("stderr"), take("resize"))

    async def finish(self, status: Object) -> None:
        """Tell how the command ended, and end all streams; returns when the client has read it, or is gone."""
        with contextlib.suppress(ConnectionError):
            if stream := self._streams.get("error"):
                await stream.write(status_for(self._protocol, status))
            for stream in self._streams.values():
                await stream.finish()
