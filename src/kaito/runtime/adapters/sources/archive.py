"""Archives that URLs lead to: tar (plain, gzip, zstd) or zip, with the two files together in any one folder.

Stricter than an image's layers, which may have a whole system beside the adapter: nobody packs links, devices or ways
out beside an adapter but to harm.
"""

import io
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.limits import Limits
from kaito.runtime.adapters.sources.unpacking import (
    LONGEST_READ,
    WANTED,
    Room,
    Unfolded,
    broken,
    check_regular,
    parts,
    tar_entries,
    unfolded,
)

_ENCRYPTED = 0x1
_ZIP = b"PK"
_MADE_ON_UNIX = 3


@dataclass
class Archive:
    """What was found in one archive; `what` names it in messages."""

    room: Room
    limits: Limits
    what: str
    found: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    _folder: tuple[str, ...] | None = None

    def unpack(self, path: Path) -> None:
        """Take the wanted files out of the archive; its first bytes tell what it is. Raises AdapterError."""
        with path.open("rb") as file:
            magic = file.read(2)
        if magic == _ZIP:
            self._unpack_zip(path)
        else:
            self._unpack_tar(path)

    def _unpack_tar(self, path: Path) -> None:
        with unfolded(path, self.limits, self.what) as stream:
            for entry in tar_entries(stream, self.limits, self.what):
                if not entry.isdir():
                    check_regular(entry, self.what)
                if name := self._wanted(entry.name, directory=entry.isdir()):
                    self.room.write(name, stream.copy(entry.size))
            stream.drain()

    def _unpack_zip(self, path: Path) -> None:
        with broken(self.what), _Bounded(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > self.limits.entries:
                raise AdapterError("TooLarge", f"{self.what} has more than {self.limits.entries} entries.")
            for entry in entries:
                self._check_zip_entry(entry)
                if name := self._wanted(entry.filename, directory=entry.is_dir()):
                    self.room.write(name, self._content(archive, entry, path.stat().st_size))

    def _content(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, packed: int) -> Iterator[bytes]:
        with archive.open(entry) as source:
            yield from Unfolded(source, packed, self.limits, self.what).copy(entry.file_size)

    def _check_zip_entry(self, entry: zipfile.ZipInfo) -> None:
        kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == _MADE_ON_UNIX else 0
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise AdapterError("UnsafeFile", f"{self.what}: {entry.filename[:100]!r} is no plain file.")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise AdapterError("ArchiveInvalid", f"{self.what} is encrypted, or packed in a way that is not read.")

    def _wanted(self, name: str, *, directory: bool) -> str:
        """Return the name of a file to take, else nothing. Raises AdapterError for a second one of that name."""
        where = parts(name.replace("\\", "/"), self.what)
        if directory or not where:
            return ""
        if where[-1] not in WANTED:
            if len(self.seen) < 20:
                self.seen.append(where[-1])
            return ""
        if self._folder is None:
            self._folder = where[:-1]
        if where[-1] in self.found or where[:-1] != self._folder:
            raise AdapterError("ArchiveInvalid", f"{self.what} holds more than one {where[-1]}.")
        self.found.add(where[-1])
        return where[-1]


class _Bounded(io.FileIO):
    """A file of which nobody reads much at once: a zip's list of entries is as long as it claims."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = LONGEST_READ
        if size > LONGEST_READ:
            raise ValueError(f"a list of {size} bytes")
        return super().read(size) or b""
