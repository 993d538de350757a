"""What a piece of code leaves behind: tasks nobody awaits, sockets nobody closes, threads nobody joins."""

import asyncio
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

GRACE_SECONDS: Final = 1.0
"""What is on its way out at the end of a block may take this long: a transport closes in a later turn of the loop."""
_TURNS: Final = 50
_PAUSE_SECONDS: Final = 0.01
_LOOPS_OWN_THREADS: Final = ("asyncio_", "uvloop_")
"""Threads of the loop's default executor live, and end, with the loop."""


class LeakError(AssertionError):
    """Something that began in a block outlived it. The message names each such thing."""


@asynccontextmanager
async def no_leaks(grace: float = GRACE_SECONDS) -> AsyncIterator[None]:
    """Raise LeakError if tasks, sockets or threads that began in the block are there `grace` seconds after its end.

    An exception of the block passes through, unchecked. Threads of `asyncio.to_thread` belong to the loop.
    """
    before = _Living.now()
    yield
    loop = asyncio.get_running_loop()
    end, turns = loop.time() + grace, 0
    while (left := _Living.now().since(before)) and loop.time() < end:
        turns += 1
        await asyncio.sleep(0 if turns < _TURNS else _PAUSE_SECONDS)
    if left:
        raise LeakError("left behind: " + "; ".join(left))


@dataclass(frozen=True)
class _Living:
    """What there is at one moment. Sockets are told apart by inode: a number is given again after its close."""

    tasks: frozenset[asyncio.Task[Any]]
    threads: frozenset[threading.Thread]
    sockets: dict[int, int]

    @staticmethod
    def now() -> "_Living":
        threads = (thread for thread in threading.enumerate() if not thread.name.startswith(_LOOPS_OWN_THREADS))
        running = asyncio.all_tasks() - {asyncio.current_task()}
        return _Living(frozenset(running), frozenset(threads), _open_sockets())

    def since(self, before: "_Living") -> list[str]:
        """Return what is here and was not before, in words."""
        return [
            *sorted(_task_in_words(task) for task in self.tasks - before.tasks),
            *sorted(f"thread {thread.name!r}" for thread in self.threads - before.threads),
            *(_socket_in_words(number) for inode, number in self.sockets.items() if inode not in before.sockets),
        ]


def _open_sockets() -> dict[int, int]:
    found = {}
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
        try:
            state = os.fstat(int(name))
        except OSError:
            continue  # the listing's own
        if stat.S_ISSOCK(state.st_mode):
            found[state.st_ino] = int(name)
    return found


def _task_in_words(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    where = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
    return f"task {task.get_name()!r}{where}"


def _socket_in_words(number: int) -> str:
    try:
        with socket.socket(fileno=os.dup(number)) as one:
            local = one.getsockname()
            try:
                return f"socket {number} from {local} to {one.getpeername()}"
            except OSError:
                return f"socket {number} on {local}"
    except OSError:
        return f"socket {number}"
