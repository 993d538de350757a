"""A client of a container's own streams: what `kubectl attach` and `kubectl run -it` talk to.

The container's shim carries the streams (attach_shim.py). The first client of a container with `stdin` gets all that
its program has written so far, even when it has ended meanwhile: real container runtimes lose what a program says
before somebody listens, which for `kubectl run -it` of a short program may be everything.
"""

import asyncio
import contextlib
import itertools
import operator
import os
import socket
import struct
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import msgspec

from kaito.core.objects import Object
from kaito.core.upgrade import close_writer
from kaito.local.node import attach_shim
from kaito.local.node.logs import CHUNK
from kaito.local.node.records import Record
from kaito.local.node.streaming.inbox import Inbox
from kaito.local.node.streaming.remote_command import Size, exit_status

SOCKET = "attach"
FRAME_BYTES = 1 << 16


class Position(msgspec.Struct):
    """A place in a log: which file, and how many bytes of it."""

    inode: int
    size: int


@contextlib.contextmanager
def listen(folder: Path) -> Iterator[socket.socket]:
    """Yield a listening socket in an attempt's folder, for its shim; ours is closed with the block."""
    (folder / SOCKET).unlink(missing_ok=True)
    with _short(folder) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        listener.setblocking(False)
        yield listener


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Yield a path of the socket that keeps the limit of 107 bytes, however deep the folder is."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def claim_first(folder: Path) -> bool:
    """Return whether this is the first client of a container's run."""
    try:
        (folder / "attached").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def written(folder: Path, until: Position | None) -> Iterator[tuple[str, bytes]]:
    """Yield (stream, bytes) of a run's log, up to a position or to its end, many lines at a time."""
    for name in ("log.1", "log"):
        try:
            file = (folder / name).open("rb")
        except FileNotFoundError:
            continue
        with file:
            last = until is not None and os.fstat(file.fileno()).st_ino == until.inode
            left = until.size if until is not None and last else None
            rest = b""
            while data := file.read(CHUNK if left is None else min(CHUNK, left)):
                left = left if left is None else left - len(data)
                *lines, rest = (rest + data).split(b"\n")
                for stream, parts in itertools.groupby(map(_parsed, lines), operator.itemgetter(0)):
                    yield stream, b"".join(text for _, text in parts)
        if last:
            return


def _parsed(line: bytes) -> tuple[str, bytes]:
    _, stream, tag, text = line.split(b" ", 3)
    return stream.decode(), text + (b"" if tag == b"P" else b"\n")


class AttachedInput:
    """The input of a container's program."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, kind: int, data: bytes) -> None:
        """Send one frame. Raises ConnectionError when the container has ended."""
        self._writer.write(attach_shim.frame(kind, data))
        await self._writer.drain()

    async def write(self, data: bytes) -> None:
        """Write; returns when the program keeps up."""
        for start in range(0, len(data), FRAME_BYTES):
            await self.send(attach_shim.INPUT, data[start : start + FRAME_BYTES])


class Attachment:
    """One client's streams of a container. They end with the container's program."""

    def __init__(self, folder: Path, record: Record, writer: asyncio.StreamWriter | None) -> None:
        self.stdout = Inbox()
        self.stderr = Inbox()
        self._sender = AttachedInput(writer) if writer is not None else None
        self.stdin = self._sender if record.stdin else None
        self._folder = folder
        self._writer = writer
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    @property
    def streams(self) -> "Attachment":
        """The streams are its own."""
        return self

    def receive(self, reader: asyncio.StreamReader | None, *, replay: bool) -> None:
        """Begin to take in what the program has written, with `replay`, and writes."""
        self._task = asyncio.create_task(self._receive(reader, replay))

    async def _receive(self, reader: asyncio.StreamReader | None, replay: bool) -> None:
        try:
            greeted = False
            async with contextlib.aclosing(_frames(reader)) as frames:
                async for kind, data in frames:
                    if kind == attach_shim.HELLO:
                        greeted = True
                        if replay:
                            await self._replay(msgspec.json.decode(data, type=Position))
                    elif replay or kind in attach_shim.OUTPUT.values():
                        errors = kind in (attach_shim.STDERR, attach_shim.PENDING_STDERR)
                        await (self.stderr if errors else self.stdout).take(data)
            if replay and not greeted:  # the program has ended before its shim could let us in
                await self._replay(None)
        finally:
            self.stdout.end()
            self.stderr.end()
            self._ended.set()

    async def _replay(self, until: Position | None) -> None:
        blocks = written(self._folder, until)
        while block := await asyncio.to_thread(next, blocks, None):
            stream, data = block
            await (self.stderr if stream == "stderr" else self.stdout).take(data)

    def resize(self, size: Size) -> None:
        """Tell the program's terminal its size."""
        if self._writer is not None:
            data = struct.pack("HHHH", size.rows, size.columns, 0, 0)
            self._writer.write(attach_shim.frame(attach_shim.RESIZE, data))

    async def end_input(self) -> None:
        """Tell that this client sends no more: with stdinOnce the program's input ends."""
        if self._sender is not None:
            await self._sender.send(attach_shim.END_OF_INPUT, b"")

    async def ended(self) -> Object:
        """Return when the program has ended: how is told by the pod's status, not here."""
        await self._ended.wait()
        return exit_status(0)

    async def close(self) -> None:
        """Let go; the program goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._writer is not None:
            await close_writer(self._writer)


async def attach(folder: Path, record: Record, *, replay: bool) -> Attachment:
    """Connect to a container's streams. Raises ConnectionError when it has ended and there is nothing to replay."""
    reader = writer = None
    try:
        with _short(folder) as path:
            reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        if not replay:
            raise ConnectionRefusedError("the container has ended") from None
    attachment = Attachment(folder, record, writer)
    attachment.receive(reader, replay=replay)
    return attachment


async def _frames(reader: asyncio.StreamReader | None) -> AsyncGenerator[tuple[int, bytes], None]:
    if reader is None:
        return
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            head = await reader.readexactly(5)
            yield head[0], await reader.readexactly(int.from_bytes(head[1:], "big"))
