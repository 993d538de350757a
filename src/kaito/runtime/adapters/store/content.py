"""What the digest of an adapter is made of.

A folder of the store holds the adapter's two files and `SHA256SUMS`, the output of

    sha256sum adapter_config.json adapter_model.safetensors

and the adapter's digest is the SHA-256 of that file. So `sha256sum -c SHA256SUMS` verifies a folder, and

    sha256sum adapter_config.json adapter_model.safetensors | sha256sum

tells the digest of an adapter anywhere.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from kaito.runtime.adapters.check.files import CONFIG_FILE, WEIGHTS_FILE, open_plain

SUMS_FILE = "SHA256SUMS"
FILES = (CONFIG_FILE, WEIGHTS_FILE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class StoredAdapter:
    """An adapter in the store. `digest` is `sha256:` and 64 hexadecimal digits; `size_bytes` that of its two files."""

    digest: str
    path: Path
    size_bytes: int


def sums_of(folder: Path) -> str:
    """Read both files and return what `sha256sum` prints for them. Raises AdapterError when one cannot be read."""
    lines = []
    for name in FILES:
        with open_plain(folder / name) as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines)


def digest_of(sums: str) -> str:
    """Return the digest for the text of `SHA256SUMS`."""
    return "sha256:" + hashlib.sha256(sums.encode()).hexdigest()


def is_digest(text: str) -> bool:
    """Say whether a text has the form of a digest; a path, for one, has not."""
    return _DIGEST.match(text) is not None
