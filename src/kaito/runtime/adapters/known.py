"""Which content came from which source, kept over restarts: what was served is served while a registry is away."""

import hashlib
import json
from pathlib import Path
from typing import Any

from kaito.runtime.adapters.memory import write_whole
from kaito.runtime.adapters.store.locks import exclusive
from kaito.runtime.adapters.wanted import Wanted

FILE_NAME = "fetched.json"
LOCK_NAME = "fetched.lock"
_MOST = 1024


class KnownContent:
    """The digest that each source had when it was last fetched. Reads and writes a file: for threads."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        self._lock = folder / LOCK_NAME

    def digest(self, wanted: Wanted) -> str:
        """Return what was fetched for it; empty when nothing was."""
        return str(self._read().get(_key(wanted), ""))

    def note(self, wanted: Wanted, digest: str) -> None:
        """Remember what was fetched. Raises OSError."""
        with exclusive(self._lock):  # two that read the same would each write without the other's
            key, known = _key(wanted), self._read()
            if known.get(key) == digest:
                return
            newest = {**{other: known[other] for other in known if other != key}, key: digest}
            write_whole(self._file, json.dumps(dict(list(newest.items())[-_MOST:])).encode())

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _key(wanted: Wanted) -> str:
    """Return what stands for a source and who asks it. Its text may hold a signature, and is not kept."""
    fields = ("image", "imagePullSecrets", "urls", "hub")
    source = {field: wanted.spec[field] for field in fields if field in wanted.spec}
    return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()
