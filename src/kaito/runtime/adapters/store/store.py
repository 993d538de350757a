"""The store's folder: entries by digest, unfinished ones beside them, and a limit on all together."""

import os
import secrets
import shutil
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from kaito.runtime.adapters.check import LARGEST_ADAPTER
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.store.content import FILES, SUMS_FILE, StoredAdapter, digest_of, is_digest, sums_of
from kaito.runtime.adapters.store.copying import copy_adapter, disk_full_is_told
from kaito.runtime.adapters.store.locks import exclusive, hold, is_held

_ENTRIES = "sha256"
_STAGING = "staging"
_LOCK = "lock"


class AdapterStore:
    """Immutable adapters under `root`, at most `limit_bytes` together as far as nobody needs more.

    Every method may be called from any thread, and several processes may share a root. An entry appears whole, by one
    rename after its files are on the disk; what a crash leaves unfinished is removed at the next start.

    What `commit` or `find` returned is kept for certain until a `keep` does not name it. So `keep` is for times when
    nothing is on its way into the store. All other entries go when room is needed, those first whose last use is the
    longest ago.
    """

    def __init__(self, root: Path, limit_bytes: int) -> None:
        """Make the folders and remove what a crash left. Raises OSError when `root` cannot be written to."""
        self._root = root.absolute()
        self._limit = limit_bytes
        self._mutex = threading.Lock()
        self._held: dict[str, int] = {}
        self._verified: dict[str, tuple[int, ...]] = {}
        for name in (_ENTRIES, _STAGING):
            (self._root / name).mkdir(parents=True, exist_ok=True)
        with self._locked():
            for left_over in (self._root / _STAGING).iterdir():
                if not is_held(left_over):
                    _remove(left_over)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give an empty folder to put an adapter together in, for `commit`; it is gone afterwards.

        A full disk inside is raised as AdapterError DiskFull.
        """
        folder = self._root / _STAGING / secrets.token_hex(8)
        with disk_full_is_told():
            with self._locked():
                folder.mkdir()
                held = hold(folder)
            try:
                yield folder
            finally:
                _remove(folder)
                os.close(held)

    def admit(
        self, source: Path, folder: Path, *, within: Path | None = None, largest_bytes: int = LARGEST_ADAPTER
    ) -> None:
        """Copy the two files of the adapter `source` into a staging folder.

        Links are followed inside `within` (default: `source` itself) and refused when they lead out of it. Raises
        AdapterError: ConfigMissing, WeightsMissing, UnsafeFile, TooLarge, DiskFull, or SourceUnreachable, which passes,
        when a file changed meanwhile.
        """
        copy_adapter(source, folder, within=within or source, largest_bytes=largest_bytes)

    def commit(self, folder: Path, *, expected: str = "") -> StoredAdapter:
        """Make a staging folder with an adapter's two files an entry; return the entry. Other files are dropped.

        Committing the same content again returns the entry that is there. Raises AdapterError: ConfigMissing,
        WeightsMissing, UnsafeFile; DigestMismatch when its digest is not the `expected` one (default: any); DiskFull
        when the disk, or the limit without what must be kept, has no room for it.
        """
        with disk_full_is_told():
            sums = sums_of(folder)
            digest = digest_of(sums)
            if expected and digest != expected:
                raise AdapterError("DigestMismatch", f"Its content is {digest}; asked for is {expected}.")
            _finish(folder, sums)
            size = _size(folder)
            with self._locked():
                entry = self._entry(digest)
                if not self._is_sound(digest):
                    self._drop(digest)
                    self._make_room(size)
                    folder.rename(entry)
                    _flush(entry.parent)
                return self._use(digest)

    def find(self, digest: str) -> StoredAdapter | None:
        """Return the entry of a digest, None when there is none; what is no digest has none.

        Its files are read and compared with the digest, once for each process as long as they look untouched. Raises
        AdapterError DigestMismatch, which passes, when they have changed; the entry is removed then.
        """
        with self._locked():
            if not is_digest(digest) or not self._entry(digest).is_dir():
                return None
            if self._is_sound(digest):
                return self._use(digest)
            self._drop(digest)
        raise AdapterError(
            "DigestMismatch",
            f"The stored files of {digest} had changed, and were removed to be fetched anew.",
            passes=True,
        )

    def keep(self, digests: Collection[str]) -> None:
        """Say which entries must stay from now on; all others may go when room is needed."""
        with self._mutex:
            for digest in [digest for digest in self._held if digest not in digests]:
                os.close(self._held.pop(digest))
        with self._locked():
            for digest in digests:
                if is_digest(digest) and self._entry(digest).is_dir():
                    self._hold(digest)
            self._make_room(0, must=False)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with exclusive(self._root / _LOCK):
            yield

    def _entry(self, digest: str) -> Path:
        return self._root / _ENTRIES / digest.removeprefix("sha256:")

    def _is_sound(self, digest: str) -> bool:
        entry = self._entry(digest)
        try:
            signature = _signature(entry)
            if self._verified.get(digest) == signature:
                return True
            sums = sums_of(entry)
        except (OSError, AdapterError):
            return False
        if digest_of(sums) != digest:
            return False
        self._verified[digest] = signature
        return True

    def _use(self, digest: str) -> StoredAdapter:
        """Note that an entry is used now, and hold it."""
        entry = self._entry(digest)
        os.utime(entry / SUMS_FILE)
        self._hold(digest)
        self._verified[digest] = _signature(entry)
        return StoredAdapter(digest, entry, _size(entry))

    def _hold(self, digest: str) -> None:
        with self._mutex:
            if digest not in self._held:
                self._held[digest] = hold(self._entry(digest))

    def _drop(self, digest: str) -> None:
        """Remove an entry whose files are not what they were, or are not there."""
        with self._mutex:
            if digest in self._held:
                os.close(self._held.pop(digest))
        _remove(self._entry(digest))

    def _make_room(self, size: int, *, must: bool = True) -> None:
        """Remove entries that nobody holds, oldest use first, until `size` more bytes are within the limit."""
        entries = sorted((self._root / _ENTRIES).iterdir(), key=_last_use)
        for entry in entries:
            if self._total() + size <= self._limit:
                return
            if not is_held(entry):
                _remove(entry)
        if must and (total := self._total()) + size > self._limit:
            raise AdapterError(
                "DiskFull",
                f"The adapter store is limited to {self._limit} bytes; {total} are in use, this adapter needs {size}.",
                passes=True,
            )

    def _total(self) -> int:
        """Return the bytes of all entries; a file that two of them share counts once."""
        files = {
            (status.st_dev, status.st_ino): status.st_size
            for entry in (self._root / _ENTRIES).iterdir()
            for name in FILES
            if (status := _status(entry / name))
        }
        return sum(files.values())


def _finish(folder: Path, sums: str) -> None:
    """Write the sums, remove what does not belong here, and put everything on the disk, read-only."""
    for path in folder.iterdir():
        if path.name in FILES:
            continue
        if path.is_dir() and not path.is_symlink():
            _remove(path)
        else:
            path.unlink()
    (folder / SUMS_FILE).write_text(sums, encoding="ascii")
    for name in (*FILES, SUMS_FILE):
        (folder / name).chmod(0o444)
        _flush(folder / name)
    _flush(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _signature(entry: Path) -> tuple[int, ...]:
    """Return what changes when one of the two files is written to or replaced."""
    statuses = [(entry / name).lstat() for name in FILES]
    return tuple(value for status in statuses for value in (status.st_ino, status.st_size, status.st_mtime_ns))


def _size(folder: Path) -> int:
    return sum((folder / name).lstat().st_size for name in FILES)


def _last_use(entry: Path) -> int:
    status = _status(entry / SUMS_FILE)
    return status.st_mtime_ns if status else 0


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
