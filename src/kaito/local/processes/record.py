"""Records of running processes, one file each: what cleans up after a crash of whoever started them."""

from pathlib import Path

import msgspec

from kaito.local.processes.identity import ProcessIdentity


class ProcessRecord(msgspec.Struct, frozen=True, rename="camel"):
    """One started process. `argv` carries no secret: ours get theirs through files."""

    name: str
    pid: int
    start_ticks: int
    argv: tuple[str, ...] = ()

    @property
    def identity(self) -> ProcessIdentity:
        """The process itself."""
        return ProcessIdentity(self.pid, self.start_ticks)


class Records:
    """The records in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, record: ProcessRecord) -> None:
        """Replace the record of this name."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".{record.name}.draft"
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(self._path(record.name))

    def remove(self, name: str) -> None:
        """Forget a process; again is harmless."""
        self._path(name).unlink(missing_ok=True)

    def read(self, name: str) -> ProcessRecord | None:
        """Return the record of this name, or None."""
        return _read(self._path(name))

    def all(self) -> list[ProcessRecord]:
        """Return every readable record, by name; a torn or foreign file names no process and is passed over."""
        if not self._folder.is_dir():
            return []
        found = (_read(path) for path in sorted(self._folder.glob("*.json")))
        return [record for record in found if record is not None]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _read(path: Path) -> ProcessRecord | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ProcessRecord)
    except (OSError, msgspec.DecodeError):
        return None
