"""Being told when files in a folder change: Linux's inotify, as far as following a log needs it."""

import asyncio
import ctypes
import os
from pathlib import Path
from types import TracebackType

IN_MODIFY, IN_MOVED_TO, IN_CREATE = 0x2, 0x80, 0x100
IN_NONBLOCK, IN_CLOEXEC = 0o4000, 0o2000000

_libc = ctypes.CDLL(None, use_errno=True)


class FolderChanges:
    """Watches one folder: `async with FolderChanges(path) as changes: await changes.wait()`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = asyncio.Event()
        self._descriptor = -1

    async def __aenter__(self) -> "FolderChanges":
        self._descriptor = _libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        mask = IN_MODIFY | IN_MOVED_TO | IN_CREATE
        if self._descriptor < 0 or _libc.inotify_add_watch(self._descriptor, os.fsencode(self._folder), mask) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(self._folder))
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        os.read(self._descriptor, 65536)
        self._changed.set()

    async def wait(self) -> None:
        """Return when something has changed since the last call, or since the beginning."""
        await self._changed.wait()
        self._changed.clear()
