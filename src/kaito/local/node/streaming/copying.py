"""Copying between a client's channels and a process, until one of them ends."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Protocol

from kaito.core.objects import Object
from kaito.local.node.streaming.remote_command import Channels, Sink, Size, Source, terminal_sizes

LINGER_SECONDS = 0.5
"""How long output may be silent, after a command's end, while something that it left still holds its streams."""


class Streams(Protocol):
    """A process's own ends of its streams, those that are connected."""

    @property
    def stdin(self) -> Sink | None:
        """Its input."""

    @property
    def stdout(self) -> Source | None:
        """Its output; with a terminal all of it."""

    @property
    def stderr(self) -> Source | None:
        """Its standard error."""

    def resize(self, size: Size) -> None:
        """Tell its terminal, if it has one, its size."""

    async def end_input(self) -> None:
        """Tell it that no more input comes. Raises ConnectionError when it reads no more."""


async def serve(
    channels: Channels, process: Streams, ended: Coroutine[None, None, Object], gone: asyncio.Event
) -> Object | None:
    """Copy until the process has ended and all its output is passed on.

    `ended` returns the process's status when it has ended. Return that, or None when the client has gone before.
    Nothing of this runs on afterwards; the caller closes `process`.
    """
    copies = [
        _Copy(source, sink)
        for source, sink in ((process.stdout, channels.stdout), (process.stderr, channels.stderr))
        if source is not None
    ]
    outputs = [asyncio.create_task(copy.run()) for copy in copies]
    others = [asyncio.create_task(_copy_input(channels.stdin, process))] if channels.stdin else []
    if channels.sizes is not None:
        others.append(asyncio.create_task(_resize(channels.sizes, process)))
    leaving = asyncio.create_task(gone.wait())
    ending = asyncio.create_task(_over(ended, copies, outputs))
    try:
        await asyncio.wait((leaving, ending), return_when=asyncio.FIRST_COMPLETED)
        return await ending if ending.done() else None
    finally:
        tasks = [*outputs, *others, leaving, ending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _over(
    ended: Coroutine[None, None, Object], copies: list["_Copy"], outputs: list[asyncio.Task[None]]
) -> Object:
    """Wait for the end of the process and of its output; what still holds that, but is silent, is not waited for."""
    status = await ended
    pending = set(outputs)
    while pending:
        before = [copy.count for copy in copies]
        _, pending = await asyncio.wait(pending, timeout=LINGER_SECONDS)
        if before == [copy.count for copy in copies] and not any(copy.writing for copy in copies):
            break
    return status


class _Copy:
    """Copies one output; without a sink, or once that is closed, to nowhere, so that the process is not held up."""

    def __init__(self, source: Source, sink: Sink | None) -> None:
        self._source = source
        self._sink = sink
        self.count = 0
        self.writing = False

    async def run(self) -> None:
        while data := await self._source.read():
            self.count += len(data)
            if self._sink is None:
                continue
            self.writing = True
            try:
                await self._sink.write(data)
            except ConnectionError:
                self._sink = None
            self.writing = False


async def _copy_input(source: Source, process: Streams) -> None:
    """Copy the input. At its end it is closed, or told to whom cannot see it closed."""
    if process.stdin is None:
        return
    with contextlib.suppress(ConnectionError):  # a process that reads no more is no failure
        while data := await source.read():
            await process.stdin.write(data)
        await process.end_input()


async def _resize(source: Source, process: Streams) -> None:
    async for size in terminal_sizes(source):
        process.resize(size)
