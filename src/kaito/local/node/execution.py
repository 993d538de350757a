"""Commands inside running containers, with streams of their own: what `kubectl exec` runs."""

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import dataclass

import msgspec

from kaito.core.objects import Object
from kaito.local.node import enter, exec_shim, shim
from kaito.local.node.containers import environment_of
from kaito.local.node.preparation import TERMINAL
from kaito.local.node.records import Record
from kaito.local.node.rewrite import rewrite
from kaito.local.node.streaming.process_streams import ProcessStreams, ReadEnd, WriteEnd
from kaito.local.node.streaming.remote_command import Wanted, exit_status, failure_status


@dataclass
class Execution:
    """One command that runs. `control` is the connection to its exec shim: closing it hangs the command up."""

    streams: ProcessStreams
    control: asyncio.StreamReader
    process: asyncio.subprocess.Process
    _closing: asyncio.StreamWriter

    async def ended(self) -> Object:
        """Return the status of the command when it has ended."""
        line = await self.control.readline()
        return exit_status(int(line)) if line else failure_status("the container has ended")

    async def close(self) -> None:
        """Let go of the command; if it still runs it is hung up."""
        self._closing.close()
        self.streams.close()
        with contextlib.suppress(OSError):
            await self._closing.wait_closed()


async def execute(record: Record, command: list[str], wanted: Wanted) -> Execution:
    """Start `command` in a running container. Raises OSError when the container has ended meanwhile."""
    argv = [rewrite(word, record.rewrites) for word in command]
    environment = await asyncio.to_thread(environment_of, record.pid)
    if wanted.tty:
        environment |= TERMINAL
    theirs, streams = await (_terminal(wanted) if wanted.tty else _pipes(wanted))
    try:
        own, theirs_of_control = socket.socketpair()
        own.setblocking(False)
        other = theirs_of_control.detach()
        document = {
            "argv": argv,
            "env": environment,
            "join": record.pid,
            "tty": wanted.tty,
            "control": other,
            "enterProgram": enter.__file__,
        }
        descriptor = shim.memory_file(msgspec.json.encode(document))
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", exec_shim.__file__, str(descriptor),
                stdin=theirs[0], stdout=theirs[1], stderr=theirs[2],
                pass_fds=(descriptor, other), start_new_session=True, env={},
            )  # fmt: skip
        finally:
            os.close(descriptor)
            os.close(other)
        reader, writer = await asyncio.open_unix_connection(sock=own)
        return Execution(streams, reader, process, writer)
    except BaseException:
        streams.close()
        raise
    finally:
        for fd in set(theirs):
            os.close(fd)


async def _pipes(wanted: Wanted) -> tuple[list[int], ProcessStreams]:
    """Return the command's descriptors 0, 1 and 2, and our ends of them; what nobody wants is /dev/null."""
    streams = ProcessStreams()
    theirs = [os.open(os.devnull, os.O_RDWR)]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if not getattr(wanted, name):
            theirs.append(theirs[0])
            continue
        reading, writing = os.pipe()
        if number == 0:
            theirs.append(reading)
            streams.stdin = await WriteEnd.open(writing)
        else:
            theirs.append(writing)
            setattr(streams, name, await ReadEnd.open(reading))
    return [*theirs[1:], theirs[0]], streams


async def _terminal(wanted: Wanted) -> tuple[list[int], ProcessStreams]:
    """Return a new terminal thrice, and its master's ends."""
    master, terminal = os.openpty()
    streams = ProcessStreams(terminal=master, end_of_input=b"\x04")
    streams.stdout = await ReadEnd.open(os.dup(master))
    if wanted.stdin:
        streams.stdin = await WriteEnd.open(os.dup(master))
    return [terminal] * 3, streams
