"""Packs an adapter as KAITO's tuning does: an image with the two files below /data, the same digest every time.

Layout: one layer (tar, gzip), a config with its `diff_ids`, the annotation `sh.kaito.model.name`; on the disk as an OCI
image layout, which `push`, skopeo, buildah and oras all read.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kaito.runtime.adapters.sources.unpacking import WANTED

MODEL_ANNOTATION = "sh.kaito.model.name"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"

_CHUNK = 1 << 20
_LEVEL = 1
"""Weights hardly shrink, at any level."""


@dataclass(frozen=True)
class Blob:
    """One part of an image."""

    digest: str
    size: int

    def descriptor(self, media_type: str) -> dict[str, Any]:
        """Return what a manifest says of it."""
        return {"mediaType": media_type, "digest": self.digest, "size": self.size}


def pack(adapter: Path, layout: Path, *, model: str) -> str:
    """Write `layout`, an OCI image layout of the adapter's folder, and return the manifest's digest.

    `model`: the preset it was made for. Raises OSError where a file is missing or cannot be written.
    """
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    layer, diff_id = _write_layer(adapter, blobs)
    config = _write(
        blobs,
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}},
    )
    manifest = _write(
        blobs,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.descriptor(CONFIG_TYPE),
            "layers": [layer.descriptor(LAYER_TYPE)],
            "annotations": {MODEL_ANNOTATION: model},
        },
    )
    index = {"schemaVersion": 2, "manifests": [manifest.descriptor(MANIFEST_TYPE)]}
    (layout / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (layout / "index.json").write_bytes(_json(index))
    return manifest.digest


def _write_layer(adapter: Path, blobs: Path) -> tuple[Blob, str]:
    """Write the layer, and return it with the digest of the archive before it was packed."""
    draft = blobs / ".layer"
    with draft.open("w+b") as file:
        with gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as packed:
            hashed = _Hashed(packed)
            with tarfile.open(mode="w|", fileobj=hashed, format=tarfile.USTAR_FORMAT, bufsize=_CHUNK) as archive:
                for name in WANTED:
                    _add(archive, adapter / name)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, os.SEEK_END)
    draft.rename(blobs / digest)
    return Blob(f"sha256:{digest}", size), f"sha256:{hashed.digest.hexdigest()}"


def _add(archive: tarfile.TarFile, path: Path) -> None:
    """Add a file without what differs from machine to machine: times, owners, modes."""
    entry = tarfile.TarInfo(f"data/{path.name}")
    entry.size = path.stat().st_size
    with path.open("rb") as file:
        archive.addfile(entry, file)


class _Hashed(io.RawIOBase):
    """Passes on what is written, and knows its digest."""

    def __init__(self, target: gzip.GzipFile) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        self.digest.update(content)
        return self._target.write(content)


def _write(blobs: Path, document: dict[str, Any]) -> Blob:
    content = _json(document)
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return Blob(f"sha256:{digest}", len(content))


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def open_blob(layout: Path, digest: str) -> BinaryIO:
    """Open a part of an image layout."""
    algorithm, _, hexadecimal = digest.partition(":")
    return (layout / "blobs" / algorithm / hexadecimal).open("rb")
