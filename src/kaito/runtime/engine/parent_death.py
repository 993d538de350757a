"""No process of vLLM's outlives the one that started it: the kernel ends it (Linux).

A server that is killed, by hand or for want of memory, ends nothing any more. Where no container ends with it, its
engine would keep its memory and its GPU until somebody looks.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from typing import Final

SERVER_VARIABLE: Final = "KAITO_RUNTIME_SERVER_PID"
"""In the environment of a server's processes: whose they are. vLLM without kaito's server has none."""

_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""


def mark_server() -> None:
    """Have what vLLM starts from now on end with this process.

    The kernel takes the death of the thread that starts a process for its parent's, so vLLM must be run by one that
    lives as long as the process: the main thread.
    """
    os.environ[SERVER_VARIABLE] = str(os.getpid())


def end_with_parent() -> None:
    """Have this process killed as soon as its parent has ended; called in each of vLLM's processes."""
    parent = multiprocessing.parent_process()
    expected = parent_to_end_with(os.environ, os.getpid(), parent.pid if parent else None)
    if expected is None or sys.platform != "linux":
        return
    # Where it is not allowed nothing is lost: the engine ends with the server's orderly end as before.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != expected:  # it ended before, and the kernel tells nobody of that
        os.kill(os.getpid(), signal.SIGKILL)


def parent_to_end_with(environment: Mapping[str, str], pid: int, parent: int | None) -> int | None:
    """Return the pid of the process that `pid` is to end with, None where there is none.

    `parent`: the process that started it by multiprocessing. Of a server's processes all end but the server itself and
    what was started as another program.
    """
    server = environment.get(SERVER_VARIABLE)
    return None if server is None or server == str(pid) else parent
