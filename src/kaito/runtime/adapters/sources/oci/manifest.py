"""Manifests and indexes of images and artifacts: which one, and which layers it has. Pure.

Source: OCI image specification 1.1 (manifest, index, annotations), Docker's image manifest version 2 schema 2.
"""

import json
import platform
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.oci.reference import DIGEST

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
ACCEPT = ", ".join((*MANIFESTS, *INDEXES))
DATA = "data"
"""Folder of an adapter's files in an image."""

_TITLE = "org.opencontainers.image.title"
_UNPACK = "io.deis.oras.content.unpack"
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Layer:
    """One blob. `file`: it is that file itself; else an archive, with an adapter's files below `folder`."""

    digest: str
    size: int
    file: str = ""
    folder: str = DATA


def parse(body: bytes, what: str) -> dict[str, Any]:
    """Read a manifest or an index. Raises AdapterError for what is neither."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise AdapterError("ArchiveInvalid", f"{what} has no manifest of version 2: push it with a current tool.")
    return document


def is_index(document: dict[str, Any]) -> bool:
    """Tell an index, which names manifests, from a manifest."""
    return document.get("mediaType") in INDEXES or "manifests" in document


def choose(index: dict[str, Any], what: str, machine: str | None = None) -> str:
    """Return the digest of the manifest for this machine, else of the first: an adapter runs on any.

    Raises AdapterError for an index without one.
    """
    architecture = _MACHINES.get(machine or platform.machine(), machine or platform.machine())
    found = [entry for entry in _objects(index.get("manifests")) if _platform(entry).get("os") != "unknown"]
    best = [
        entry
        for entry in found
        if _platform(entry).get("os") == "linux" and _platform(entry).get("architecture") == architecture
    ]
    if not found:
        raise AdapterError("ArchiveInvalid", f"{what} is an index without a manifest.")
    return _digest((best or found)[0], what)


def layers(manifest: dict[str, Any], wanted: Sequence[str], what: str) -> list[Layer]:
    """Return the layers that may hold a wanted file, the lowest first.

    Artifacts as `oras push` makes them have a title on each layer: a file's is the file itself, whatever its type
    says, and a folder's is an archive of it. Raises AdapterError for a malformed manifest.
    """
    found = []
    for entry in _objects(manifest.get("layers")):
        layer = _layer(entry, wanted, what)
        if layer:
            found.append(layer)
    return found


def _layer(entry: dict[str, Any], wanted: Sequence[str], what: str) -> Layer | None:
    annotations, media_type = entry.get("annotations") or {}, str(entry.get("mediaType", ""))
    title, size = str(annotations.get(_TITLE, "")), entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise AdapterError("ArchiveInvalid", f"{what} has a layer without a size.")
    digest, name = _digest(entry, what), posixpath.basename(title)
    if annotations.get(_UNPACK) == "true":
        return Layer(digest, size, folder=posixpath.normpath(title).lstrip("/"))
    if name in wanted:
        return Layer(digest, size, file=name)
    if title and not title.endswith(_ARCHIVES) and not media_type.endswith(("gzip", "zstd")):
        return None  # another file of an artifact
    return Layer(digest, size) if "tar" in media_type else None


def _platform(entry: dict[str, Any]) -> dict[str, Any]:
    found = entry.get("platform")
    return found if isinstance(found, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _digest(entry: dict[str, Any], what: str) -> str:
    digest = entry.get("digest")
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise AdapterError("ArchiveInvalid", f"{what} names a part by no digest that is known.")
    return digest
