"""The descriptors of a process that streams are copied to and from, on the event loop."""

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from dataclasses import dataclass, field

from kaito.local.node.streaming.remote_command import Size

READ_BYTES = 1 << 16


class ReadEnd:
    """The reading end of a pipe, or a terminal's master."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        self._reader = reader
        self._transport = transport

    @classmethod
    async def open(cls, descriptor: int) -> "ReadEnd":
        """Take a descriptor over."""
        reader = asyncio.StreamReader(limit=READ_BYTES)
        file = os.fdopen(descriptor, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        return cls(reader, transport)

    async def read(self) -> bytes:
        """Return what has come, empty at the end: a terminal's is an error (EIO), when its last user has closed it."""
        try:
            return await self._reader.read(READ_BYTES)
        except OSError:
            return b""

    def close(self) -> None:
        """Close the descriptor."""
        self._transport.close()


class WriteEnd:
    """The writing end of a pipe, or a terminal's master."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    @classmethod
    async def open(cls, descriptor: int) -> "WriteEnd":
        """Take a descriptor over."""
        loop = asyncio.get_running_loop()
        file = os.fdopen(descriptor, "wb", buffering=0)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, file)
        return cls(asyncio.StreamWriter(transport, protocol, None, loop))

    async def write(self, data: bytes) -> None:
        """Write; raises ConnectionError when nobody reads any more."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """Close the descriptor once everything is written."""
        self._writer.close()

    def abort(self) -> None:
        """Close the descriptor, whatever is still to be written."""
        transport = self._writer.transport
        if transport.get_write_buffer_size() or not transport.is_closing():
            transport.abort()  # which fails on one that has closed


@dataclass
class ProcessStreams:
    """A process's own ends, those that are connected. `terminal` is the master of its pseudo-terminal, or -1."""

    stdin: WriteEnd | None = None
    stdout: ReadEnd | None = None
    stderr: ReadEnd | None = None
    terminal: int = -1
    end_of_input: bytes | None = None
    """What is written at the end of the input where closing it tells nobody (a terminal: Ctrl-D); None closes it."""
    _closed: bool = field(default=False, init=False)

    def resize(self, size: Size) -> None:
        """Tell the terminal its size; its foreground processes get SIGWINCH."""
        if self.terminal >= 0 and not self._closed:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))

    async def end_input(self) -> None:
        """Tell the process that no more input comes. Raises ConnectionError when it reads no more."""
        if self.stdin is None:
            return
        if self.end_of_input is None:
            self.stdin.close()
        elif self.end_of_input:
            await self.stdin.write(self.end_of_input)

    def close(self) -> None:
        """Close all descriptors, whatever is still to be written or read."""
        if self._closed:
            return
        self._closed = True
        if self.stdin is not None:
            self.stdin.abort()
        for end in (self.stdout, self.stderr):
            if end is not None:
                end.close()
        if self.terminal >= 0:
            os.close(self.terminal)
