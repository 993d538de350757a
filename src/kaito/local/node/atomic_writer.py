"""Volumes made of files that change as one: the `..data` link scheme of the kubelet's AtomicWriter.

key      -> ..data/key
..data   -> ..k3x9a1b2     (replaced by one rename)
..k3x9a1b2/key
"""

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = "..data"


@dataclass(frozen=True)
class File:
    """Contents and permission bits of one file."""

    data: bytes
    mode: int = 0o644


def write_files(folder: Path, files: Mapping[str, File], *, folder_mode: int = 0o755) -> bool:
    """Make `folder` hold exactly `files` (relative path -> file). Return False when it did already.

    Raises ValueError for a path that leaves the folder.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(folder_mode)
    if any(_leaves(path) for path in files):
        raise ValueError(f"a path in {sorted(files)} is absolute or has a part that begins with '..'")
    if _current(folder) == dict(files):
        return False
    old = (folder / DATA).readlink() if (folder / DATA).is_symlink() else None
    generation = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    generation.chmod(folder_mode)
    for path, file in files.items():
        _write(generation, path, file, folder_mode)
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(generation.name)
    link.replace(folder / DATA)
    _link_entries(folder, {path.split("/")[0] for path in files})
    if old is not None:
        shutil.rmtree(folder / old, ignore_errors=True)
    return True


def _write(generation: Path, path: str, file: File, folder_mode: int) -> None:
    target = generation / path
    target.parent.mkdir(parents=True, exist_ok=True, mode=folder_mode)
    target.touch(mode=0o600)
    target.write_bytes(file.data)
    target.chmod(file.mode)


def _link_entries(folder: Path, wanted: set[str]) -> None:
    for entry in wanted:
        link = folder / entry
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{entry}")
    for link in folder.iterdir():
        if link.is_symlink() and link.name != DATA and link.name not in wanted:
            link.unlink()


def _leaves(path: str) -> bool:
    return path.startswith("/") or any(part.startswith("..") for part in path.split("/"))


def _current(folder: Path) -> dict[str, File] | None:
    data = folder / DATA
    if not data.is_dir():
        return None
    found: dict[str, File] = {}
    with contextlib.suppress(OSError):
        for path in data.rglob("*"):
            if path.is_file():
                found[str(path.relative_to(data))] = File(path.read_bytes(), path.stat().st_mode & 0o7777)
    return found
