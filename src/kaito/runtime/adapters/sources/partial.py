"""An unfinished download on the disk: it outlives a broken connection and the process, and is gone on with."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kaito.runtime.adapters.failure import AdapterError

ABANDONED_SECONDS = 24 * 3600.0
"""Age at which what nobody went on with is removed."""

_SUFFIX = ".part"
_VERSION_SUFFIX = ".etag"


class PartialFile:
    """A file that grows; `size` bytes of it are here. `version` is what the server calls this content (ETag)."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._version_path = path.with_suffix(_VERSION_SUFFIX)
        self.size = file.seek(0, os.SEEK_END)

    @property
    def version(self) -> str:
        """The ETag of the content that is here, empty where none is known."""
        with suppress(OSError):
            return self._version_path.read_text()
        return ""

    def begin(self, version: str = "") -> None:
        """Throw away what is here; what comes now is `version`."""
        self._file.truncate(0)
        self.size = self._file.seek(0)
        self._version_path.unlink(missing_ok=True)
        if version:
            self._version_path.write_text(version)

    def append(self, content: bytes) -> None:
        """Add bytes at the end. Raises OSError where the disk is full."""
        self._file.write(content)
        self._file.flush()
        self.size += len(content)

    def digest(self, algorithm: str) -> str:
        """Return the digest of all that is here, as `algorithm:hex`. Reads the file."""
        with self.path.open("rb") as file:
            return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"

    def remove(self) -> None:
        """Remove it, as far as it was not moved away: it was used, or is wrong."""
        self._version_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


@contextmanager
def partial_file(folder: Path, name: str) -> Iterator[PartialFile]:
    """Yield the unfinished file of that name. Where another download writes it now, yield one of our own.

    Raises AdapterError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, file = _locked(folder / f"{name}{_SUFFIX}")
    except OSError as error:
        raise disk_error(error) from None
    with file:
        yield PartialFile(path, file)


def _locked(path: Path) -> tuple[Path, BinaryIO]:
    """Open the first name that nobody else writes. One that was removed while we opened it is no name any more."""
    for number in range(100):
        candidate = path.with_stem(f"{path.stem}-{number}") if number else path
        file = candidate.open("ab")
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), candidate.stat()):
                return candidate, file
        file.close()
    raise OSError(f"{path.name} is being downloaded a hundred times")


def remove_abandoned(folder: Path, now: float | None = None) -> None:
    """Remove what nobody went on with for a day. `now`: seconds since the epoch."""
    now = time.time() if now is None else now
    for path in folder.iterdir():
        with suppress(OSError):
            if now - path.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def remove_unused(folder: Path) -> None:
    """Remove every unfinished file that nobody writes now, whatever its age."""
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.with_suffix(_VERSION_SUFFIX).unlink(missing_ok=True)
            path.unlink()


def disk_error(error: OSError) -> AdapterError:
    """Return what an error of the disk means: it passes when somebody makes room."""
    return AdapterError("DiskFull", f"The download cannot be written: {error.strerror or error}.", passes=True)
