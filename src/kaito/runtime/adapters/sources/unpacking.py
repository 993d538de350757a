"""Archives of strangers: what is in them is looked at entry by entry, and only two names are ever written.

Never `extractall`: no name of an archive becomes a path here, so none can lead outside. What is refused is refused
because an honest archive of an adapter has no such thing.
"""

import gzip
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.limits import Limits
from kaito.runtime.adapters.sources.partial import disk_error

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
WANTED = (CONFIG, WEIGHTS)
"""The files of an adapter, as PEFT writes and vLLM reads them."""

_CHUNK = 1 << 20
LONGEST_READ = 16 << 20
"""Most that a header may make its reader hold at once."""
_LONGEST_NAME = 255
_LONGEST_PATH = 4096
_ZSTD = b"\x28\xb5\x2f\xfd"
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, ValueError, OverflowError, LookupError, RuntimeError),
)


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Unfolded:
    """What a packed file unfolds to, forwards only and counted. Raises AdapterError for a bomb."""

    def __init__(self, source: _Readable, packed: int, limits: Limits, what: str) -> None:
        self._source = source
        self._largest = min(limits.unpacked, max(limits.free, packed * limits.ratio))
        self._what = what
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, fewer only at the end."""
        if not 0 <= size <= LONGEST_READ:
            raise AdapterError("ArchiveInvalid", f"{self._what} has a header of {size} bytes.")
        content = self._source.read(size)
        self._position += len(content)
        if self._position > self._largest:
            raise AdapterError("TooLarge", f"{self._what} unfolds to more than {self._largest} bytes.")
        return content

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def seek(self, position: int) -> int:
        """Go forward. A header that leads back would be read for ever."""
        if position < self._position:
            raise AdapterError("ArchiveInvalid", f"{self._what} has an entry of a negative size.")
        while position > self._position:
            if not self.read(min(_CHUNK, position - self._position)):
                raise AdapterError("ArchiveInvalid", f"{self._what} ends within an entry.")
        return self._position

    def drain(self) -> None:
        """Read to the end, where packed files have their sum."""
        while self.read(_CHUNK):
            pass

    def copy(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes. Raises AdapterError where there are fewer."""
        end = self._position + size
        while self._position < end:
            chunk = self.read(min(_CHUNK, end - self._position))
            if not chunk:
                raise AdapterError("ArchiveInvalid", f"{self._what} ends within a file.")
            yield chunk


@contextmanager
def unfolded(path: Path, limits: Limits, what: str) -> Iterator[Unfolded]:
    """Yield the content of a file that may be packed with gzip or zstd, told by its first bytes.

    Raises AdapterError for what cannot be read, wherever in the block that shows.
    """
    with broken(what), path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        yield Unfolded(_opened(file, magic), path.stat().st_size, limits, what)


def _opened(file: BinaryIO, magic: bytes) -> _Readable:
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file, mode="rb")
    if magic == _ZSTD:
        return _Zstd(file)
    return file


class _Zstd:
    """Reads what zstd packed; imported where there is such a file."""

    def __init__(self, file: BinaryIO) -> None:
        from backports import zstd

        self._file = zstd.ZstdFile(file, "rb")
        self._error = zstd.ZstdError

    def read(self, size: int = -1, /) -> bytes:
        try:
            content: bytes = self._file.read(size)
        except self._error as error:
            raise ValueError(str(error)) from None
        return content


def tar_entries(stream: Unfolded, limits: Limits, what: str) -> Iterator[tarfile.TarInfo]:
    """Yield each entry; `stream` stands where its data begins. Raises AdapterError for too many."""
    with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
        for number in range(limits.entries + 1):
            entry = archive.next()
            if entry is None:
                return
            archive.members.clear()
            if number == limits.entries:
                raise AdapterError("TooLarge", f"{what} has more than {limits.entries} entries.")
            if entry.size < 0:
                raise AdapterError("ArchiveInvalid", f"{what} has an entry of a negative size.")
            yield entry


@contextmanager
def broken(what: str) -> Iterator[None]:
    """Turn what the readers of archives raise into AdapterError."""
    try:
        yield
    except _BROKEN as error:
        raise AdapterError("ArchiveInvalid", f"{what} is no archive that can be read: {_said(error)}.") from None
    except OSError as error:
        raise disk_error(error) from None


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__).rstrip(".")[:200]


def parts(name: str, what: str) -> tuple[str, ...]:
    """Return the folders and the name of an entry. Raises AdapterError for one that leads elsewhere."""
    found = tuple(part for part in name.split("/") if part not in {"", "."})
    if name.startswith("/") or ".." in found or "\0" in name:
        raise AdapterError("ArchiveInvalid", f"{what} has an entry that leads outside it: {name[:100]!r}.")
    if len(name) > _LONGEST_PATH or any(len(os.fsencode(part)) > _LONGEST_NAME for part in found):
        raise AdapterError("ArchiveInvalid", f"{what} has an entry with too long a name: {name[:100]!r}….")
    return found


def check_regular(entry: tarfile.TarInfo, what: str) -> None:
    """Raise AdapterError unless an entry is a plain file: a link could show another file of the server."""
    if not entry.isreg() or entry.issparse():
        raise AdapterError("UnsafeFile", f"{what}: {entry.name[:100]!r} is no plain file.")


class Room:
    """The folder that the files go to, with the bytes that may still come."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self._left = limits.adapter
        self._largest = limits.adapter

    def write(self, name: str, content: Iterator[bytes]) -> None:
        """Write a file that is not there yet. Raises AdapterError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.folder / name, flags, 0o644), "wb") as file:
            for chunk in content:
                self.take(len(chunk), name)
                file.write(chunk)

    def move(self, name: str, path: Path) -> None:
        """Let a downloaded file be that file, without a copy."""
        self.take(path.stat().st_size, name)
        try:
            path.rename(self.folder / name)
        except OSError as error:
            raise disk_error(error) from None

    def take(self, size: int, name: str) -> None:
        """Count bytes. Raises AdapterError where the adapter becomes too large."""
        self._left -= size
        if self._left < 0:
            raise AdapterError("TooLarge", f"{name}: the adapter is larger than {self._largest} bytes.")
