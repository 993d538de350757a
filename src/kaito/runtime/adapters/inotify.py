"""The kernel's word that a folder has changed, at once and at no cost while nothing does.

Twenty lines of ctypes instead of `watchfiles`, which wakes its thread each step of its debounce to look: at the 10 ms
that a swap can afford that is a hundred times a second, for ever. Source of the numbers: inotify(7), <sys/inotify.h>.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterable
from pathlib import Path

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _ONLY_DIRECTORIES = 0x400, 0x800, 0x01000000
_MASK = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLY_DIRECTORIES
_READ_AT_ONCE = 64 * 1024


class FolderEvents:
    """Calls `changed` on the running event loop whenever one of the followed folders does. Not recursive."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = -1
        self._watches: dict[Path, int] = {}

    @property
    def works(self) -> bool:
        """Whether the kernel gives events; without them folders have to be looked at from time to time."""
        return self._file >= 0

    def start(self) -> None:
        """Begin. Where the kernel has no instance to give, `works` stays False."""
        self._file = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.works:
            asyncio.get_running_loop().add_reader(self._file, self._read)

    def stop(self) -> None:
        """End; nothing is called afterwards."""
        if self.works:
            asyncio.get_running_loop().remove_reader(self._file)
            os.close(self._file)
        self._file = -1
        self._watches.clear()

    def follow(self, folders: Iterable[Path]) -> None:
        """Follow exactly these folders; those that are not there are passed over until the next call.

        A folder that was replaced by another of its name is followed anew: a watch belongs to the folder, not its name.
        """
        if not self.works:
            return
        watches: dict[Path, int] = {}
        for folder in folders:
            watch = self._libc.inotify_add_watch(self._file, os.fsencode(folder), ctypes.c_uint32(_MASK))
            if watch >= 0:
                watches[folder] = watch
        for watch in set(self._watches.values()) - set(watches.values()):
            self._libc.inotify_rm_watch(self._file, watch)
        self._watches = watches

    def _read(self) -> None:
        try:
            while len(os.read(self._file, _READ_AT_ONCE)) > _READ_AT_ONCE // 2:
                pass
        except BlockingIOError:
            pass
        self._changed()
