"""What the admin API was told, kept on disk: a restarted container wants the same again."""

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kaito.contracts import AdapterSet, WantedAdapter
from kaito.runtime.adapters.adapter_set import InvalidSetError, check_wanted, parse_set

FILE_NAME = "wanted.json"


@dataclass(frozen=True)
class Told:
    """The set in force, and the single adapters that were put beside it, by name."""

    adapter_set: AdapterSet | None = None
    single: tuple[WantedAdapter, ...] = ()


def read(folder: Path) -> Told:
    """Return what was kept; nothing where there is nothing, or where it cannot be understood."""
    try:
        content = json.loads((folder / FILE_NAME).read_bytes())
        kept = content.get("set")
        adapter_set = parse_set(json.dumps(kept)) if kept else None
        single = tuple(check_wanted(entry, "single") for entry in content.get("single", []))
    except (OSError, ValueError, AttributeError, TypeError, InvalidSetError):
        return Told()
    return Told(adapter_set, single)


def write(folder: Path, told: Told) -> None:
    """Keep it. Raises OSError."""
    write_whole(folder / FILE_NAME, json.dumps({"set": told.adapter_set, "single": list(told.single)}).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; nobody else may read it. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
