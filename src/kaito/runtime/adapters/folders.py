"""Looks at the adapter directory: which sub-folders there are, and a mark of each that changes with its content."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kaito.runtime.adapters.wanted import Wanted


@dataclass(frozen=True)
class Folder:
    """One folder as it is now. `changed` is when it or one of its files last was (seconds, wall clock)."""

    path: Path
    mark: str
    changed: float


def adapter_folders(root: Path | None) -> tuple[Path, ...]:
    """Return the sub-folders of a directory by name. Hidden ones (Kubernetes' `..data`) and files are passed over."""
    if root is None:
        return ()
    try:
        with os.scandir(root) as entries:
            found = [Path(entry.path) for entry in entries if _may_be_adapter(entry.name) and entry.is_dir()]
    except OSError:
        return ()
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


def directory_wants(root: Path | None) -> list[Wanted]:
    """Return what the directory asks for: each sub-folder is an adapter of its name."""
    return [
        Wanted(path.name, "directory", {"name": path.name, "path": str(path)}, mark=look(path).mark)
        for path in adapter_folders(root)
    ]


def to_follow(roots: Iterable[Path | None], folders: Iterable[Path]) -> list[Path]:
    """Return the folders whose changes matter: the roots, or the nearest folder above one that is not there yet."""
    found: list[Path] = []
    for root in roots:
        while root is not None and not root.is_dir() and root != root.parent:
            root = root.parent
        if root is not None:
            found.append(root)
    return list(dict.fromkeys([*found, *folders]))


def _may_be_adapter(name: str) -> bool:
    return not name.startswith(".") and name != "lost+found"


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None
