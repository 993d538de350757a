"""Copies an adapter out of a folder that others may write to."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kaito.runtime.adapters.check.files import open_plain
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.store.content import FILES

_CHUNK = 2**20
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def copy_adapter(source: Path, target: Path, *, within: Path, largest_bytes: int) -> None:
    """Copy the two files of `source` into the empty folder `target`.

    Links are followed as far as they stay inside `within`, as those of mounted ConfigMaps do. Raises AdapterError:
    ConfigMissing, WeightsMissing, UnsafeFile, TooLarge, DiskFull; and SourceUnreachable, which passes, when a file was
    written to or replaced meanwhile.
    """
    root = within.resolve()
    left = largest_bytes
    seen: list[tuple[Path, os.stat_result]] = []
    with disk_full_is_told():
        for name in FILES:
            path = inside(source / name, root)
            with open_plain(path) as file, (target / name).open("xb") as copy:
                before = os.fstat(file.fileno())
                if before.st_size > left:
                    raise AdapterError("TooLarge", f"It has more than {largest_bytes} bytes, which is the most.")
                left -= _copy(file, copy, before.st_size)
            seen.append((source / name, before))
    for path, before in seen:
        if not _unchanged(path, before):
            raise AdapterError("SourceUnreachable", f"{path.name} changed while it was copied.", passes=True)


@contextmanager
def disk_full_is_told() -> Iterator[None]:
    """Turn the errors of a full disk into AdapterError DiskFull, which passes."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise AdapterError(
                "DiskFull", "The disk of the adapter store is full; give its volume more room.", passes=True
            ) from error
        raise


def inside(path: Path, root: Path) -> Path:
    """Return where a path leads. Raises AdapterError when that is outside `root`, which is resolved already."""
    try:
        resolved = path.resolve(strict=True)
    except FileNotFoundError:
        return path
    except (OSError, RuntimeError):
        raise AdapterError("UnsafeFile", f"{path.name} is a link that leads nowhere.") from None
    if not resolved.is_relative_to(root):
        raise AdapterError("UnsafeFile", f"{path.name} is a link out of the adapter's folder.")
    return resolved


def _copy(file: BinaryIO, copy: BinaryIO, size: int) -> int:
    """Copy at most `size` bytes: a file that grows meanwhile is told from its status afterwards."""
    left = size
    while left and (piece := file.read(min(_CHUNK, left))):
        copy.write(piece)
        left -= len(piece)
    return size


def _unchanged(path: Path, before: os.stat_result) -> bool:
    try:
        after = path.stat()
    except OSError:
        return False
    return all(
        getattr(before, name) == getattr(after, name)
        for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    )
