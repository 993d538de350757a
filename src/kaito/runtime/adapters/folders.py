"""Looks at the adapter directory: which sub-folders there are, and a mark of each that changes with its content."""

import errno
import hashlib
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from kaito.runtime.adapters.wanted import Wanted

_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


@dataclass(frozen=True)
class Folder:
    """One folder as it is now. `changed` is when it or one of its files last was (seconds, wall clock)."""

    path: Path
    mark: str
    changed: float


def adapter_folders(root: Path | None, before: Collection[Path] = ()) -> tuple[Path, ...]:
    """Return the sub-folders of a directory by name. Hidden ones (Kubernetes' `..data`) and files are passed over.

    What cannot be looked at now, an entry or the whole directory, is as it was `before`: that a disk or a network fails
    for a moment does not say that an adapter is gone.
    """
    if root is None:
        return ()
    try:
        with os.scandir(root) as entries:
            found = [Path(entry.path) for entry in entries if _may_be_adapter(entry.name) and _is_folder(entry, before)]
    except OSError as error:
        return () if error.errno in _NOT_THERE else tuple(before)
    return tuple(sorted(found))


def look(path: Path) -> Folder:
    """Return a folder's mark: it changes when a file comes, goes, is written or replaced, also behind a symlink."""
    mark = hashlib.sha256(os.fsencode(os.path.realpath(path)))
    changed = 0.0
    try:
        changed = path.stat().st_mtime
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                state = _stat(entry)
                if state is not None:
                    mark.update(
                        f"{entry.name}/{state.st_ino}/{state.st_size}/{state.st_mtime_ns}\0".encode(errors="replace")
                    )
                    changed = max(changed, state.st_mtime)
    except OSError:
        pass
    return Folder(path, mark.hexdigest()[:16], changed)


def directory_wants(folders: Iterable[Path]) -> list[Wanted]:
    """Return what the directory asks for: each of its sub-folders is an adapter of its name."""
    return [
        Wanted(path.name, "directory", {"name": path.name, "path": str(path)}, mark=look(path).mark) for path in folders
    ]


def to_follow(roots: Iterable[Path | None], folders: Iterable[Path]) -> list[Path]:
    """Return the folders whose changes matter: the roots, or the nearest folder above one that is not there yet."""
    found: list[Path] = []
    for root in roots:
        # `Path.is_dir` raises what a network's file system answers while its server is away.
        while root is not None and not os.path.isdir(root) and root != root.parent:  # noqa: PTH112
            root = root.parent
        if root is not None:
            found.append(root)
    return list(dict.fromkeys([*found, *folders]))


def _may_be_adapter(name: str) -> bool:
    return not name.startswith(".") and name != "lost+found"


def _is_folder(entry: os.DirEntry[str], before: Collection[Path]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        return error.errno not in _NOT_THERE and Path(entry.path) in before


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None
