"""The processes that vLLM started for us. None may outlive this one."""

import contextlib
import os
from typing import NoReturn

import psutil

PATIENCE = 5.0
"""Seconds between asking a process to end and killing it."""


def end_children() -> int:
    """End every process below this one, gently first; return how many there were."""
    children = [child for child in psutil.Process().children(recursive=True) if not _cleans_up(child)]
    for child in children:
        _signal(child, gently=True)
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    for child in alive:
        _signal(child, gently=False)
    psutil.wait_procs(alive, timeout=PATIENCE)
    return len(children)


def end_at_once(status: int) -> NoReturn:
    """Kill every process below this one, and end this one, without waiting for anything."""
    kill_children()
    os._exit(status)


def kill_children() -> None:
    """Kill every process below this one, and wait for none."""
    for child in psutil.Process().children(recursive=True):
        if not _cleans_up(child):
            _signal(child, gently=False)


def cpu_seconds_of_children() -> float:
    """Return the CPU time that the processes below this one have used."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = child.cpu_times()
            total += times.user + times.system
    return total


def _cleans_up(process: psutil.Process) -> bool:
    """Say whether this is multiprocessing's resource tracker: it removes shared memory, and ends after us by itself."""
    try:
        return any("resource_tracker" in word for word in process.cmdline())
    except psutil.Error:
        return True


def _signal(process: psutil.Process, *, gently: bool) -> None:
    try:
        process.terminate() if gently else process.kill()
    except psutil.NoSuchProcess:
        return
