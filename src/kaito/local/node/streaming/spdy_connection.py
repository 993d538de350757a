"""The server's side of a SPDY/3.1 connection: streams that the client opens, over anything that carries bytes.

Flow control is offered (what was read is acknowledged with WINDOW_UPDATE) but not obeyed: the SPDY library of
Kubernetes' own clients never sends a WINDOW_UPDATE, so a sender that waited for one would stop for ever after 64 KiB.
Back-pressure is that of the connection: a stream whose reader is slow holds up the connection once its buffer is full.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from kaito.local.node.streaming import spdy_frames as frames
from kaito.local.node.streaming.inbox import Inbox
from kaito.local.node.streaming.spdy_frames import Frame, FrameError, FrameReader, FrameWriter

STREAMS_LIMIT = 512
"""Streams that may be open at once."""
DATA_BYTES = 32 * 1024
"""Bytes per DATA frame that is sent, so that streams share the connection."""


class ByteConnection(Protocol):
    """What carries a SPDY connection."""

    async def read(self) -> bytes:
        """Return what has come, empty at the end."""

    async def write(self, data: bytes) -> None:
        """Send; raises ConnectionError when the peer is gone."""


class Stream:
    """One stream: `headers` are those it was opened with. Reading and writing end independently."""

    def __init__(self, number: int, headers: dict[str, str], connection: "SpdyConnection") -> None:
        self.number = number
        self.headers = headers
        self._connection = connection
        self._inbox = Inbox()
        self._finished = False

    async def read(self) -> bytes:
        """Return what has come, empty when the client sends no more (or is gone)."""
        part = await self._inbox.read()
        if part and not self._inbox.ended:
            with contextlib.suppress(ConnectionError):
                await self._connection.send(frames.WindowUpdate(self.number, len(part)))
        return part

    async def write(self, data: bytes) -> None:
        """Send data. Raises ConnectionError when the stream was reset or the client is gone."""
        for start in range(0, len(data), DATA_BYTES):
            if self._finished:
                raise ConnectionResetError(f"stream {self.number} is closed")
            await self._connection.send(frames.Data(self.number, data[start : start + DATA_BYTES]))

    async def finish(self) -> None:
        """Send no more; what still comes is not of interest."""
        self._inbox.discard()
        if not self._finished:
            self._finished = True
            with contextlib.suppress(ConnectionError):
                await self._connection.send(frames.Data(self.number, b"", fin=True))
        if self._inbox.ended:
            self._connection.forget(self)

    async def take(self, data: bytes) -> None:
        """Take data from the connection; returns when there is room for more."""
        await self._inbox.take(data)

    def end(self, *, reset: bool = False) -> None:
        """Note that the client sends no more; with `reset` it reads no more either."""
        self._inbox.end()
        self._finished = self._finished or reset
        if self._finished:
            self._connection.forget(self)


class SpdyConnection:
    """Serves the streams of one client. `opened` is called with each new one and says whether it is accepted."""

    def __init__(self, carrier: ByteConnection, opened: Callable[[Stream], bool]) -> None:
        self._carrier = carrier
        self._opened = opened
        self._writer = FrameWriter()
        self._sending = asyncio.Lock()
        self._streams: dict[int, Stream] = {}
        self._last = 0

    async def run(self) -> None:
        """Read until the client ends the connection, or breaks the protocol; every stream has ended then."""
        reader = FrameReader()
        try:
            while data := await self._carrier.read():
                for frame in reader.feed(data):
                    await self._handle(frame)
        except FrameError:
            with contextlib.suppress(ConnectionError):
                await self.send(frames.GoAway(self._last, frames.PROTOCOL_ERROR))
        except ConnectionError:
            pass
        finally:
            for stream in list(self._streams.values()):
                stream.end(reset=True)

    async def send(self, frame: Frame) -> None:
        """Send one frame. Raises ConnectionError when the client is gone."""
        async with self._sending:
            await self._carrier.write(self._writer.encode(frame))

    def forget(self, stream: Stream) -> None:
        """Drop a stream that has ended in both directions."""
        self._streams.pop(stream.number, None)

    async def _handle(self, frame: Frame) -> None:
        match frame:
            case frames.SynStream(number, headers, fin):
                await self._open(number, headers, fin)
            case frames.Data(number, data, fin):
                stream = self._streams.get(number)
                if stream is None:
                    if number > self._last:
                        await self.send(frames.RstStream(number, frames.INVALID_STREAM))
                    return
                await stream.take(data)
                if fin:
                    stream.end()
            case frames.RstStream(number, _):
                if stream := self._streams.get(number):
                    stream.end(reset=True)
            case frames.Headers(number, _, fin):
                if fin and (stream := self._streams.get(number)):
                    stream.end()
            case frames.Ping(number):
                if number % 2:  # ours would be even; we send none
                    await self.send(frame)
            case _:
                pass  # SYN_REPLY, SETTINGS, WINDOW_UPDATE, GOAWAY: nothing that a server without pushes must act on

    async def _open(self, number: int, headers: dict[str, str], fin: bool) -> None:
        if number % 2 == 0 or number <= self._last:
            await self.send(frames.RstStream(number, frames.PROTOCOL_ERROR))
            return
        self._last = number
        stream = Stream(number, headers, self)
        if len(self._streams) >= STREAMS_LIMIT:
            await self.send(frames.RstStream(number, frames.REFUSED_STREAM))
            return
        self._streams[number] = stream
        await self.send(
            frames.SynReply(number)
        )  # before any data of ours: clients drop data of a stream not replied to
        if not self._opened(stream):
            stream.end(reset=True)
            await self.send(frames.RstStream(number, frames.REFUSED_STREAM))
        elif fin:
            stream.end()
