"""Wakes the machine room when a file of a folder changes: Linux' inotify through the C library.

The standard library has no binding, and a dependency for three calls is too much; polling would cost an idle cluster
CPU.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

# <sys/inotify.h>
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE, _CLOSE_WRITE = 0x40, 0x80, 0x100, 0x200, 0x8
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC


class FolderWatch:
    """Calls `changed` on the event loop after every change of a folder's files, until `close`."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._changed = changed
        self._descriptor = library.inotify_init1(_NONBLOCK | _CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1 failed")
        mask = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _CLOSE_WRITE
        if library.inotify_add_watch(self._descriptor, os.fsencode(folder), mask) < 0:
            number = ctypes.get_errno()
            os.close(self._descriptor)
            raise OSError(number, os.strerror(number), str(folder))
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        try:
            os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        self._changed()
