"""Where an adapter's files come from. Frozen values, read from what is wanted; nothing is asked here."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kaito.contracts import WantedAdapter
from kaito.runtime.adapters.failure import AdapterError

_HUB = "https://huggingface.co"
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_HUB_PATH = re.compile(rf"/({_REPOSITORY.pattern}?)(?:/tree/([^/]+))?/?", re.ASCII)


@dataclass(frozen=True)
class OciImage:
    """An image or artifact in a registry. `secrets`: names of files in the folder of credentials."""

    reference: str
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Urls:
    """Files by their base names, or one archive."""

    urls: tuple[str, ...]


@dataclass(frozen=True)
class HubRepository:
    """`owner/repository` on the hub, at a branch, tag or commit."""

    repository: str
    revision: str = "main"


@dataclass(frozen=True)
class LocalFolder:
    """A folder that the server can read."""

    path: Path


Source = OciImage | Urls | HubRepository | LocalFolder


def source_of(wanted: WantedAdapter, environment: Mapping[str, str] = os.environ) -> Source:
    """Return the one place that `wanted` names. A lone link to a page of the hub is that repository.

    Raises AdapterError for none or several, and for what is no repository's name.
    """
    given = [field for field in ("image", "urls", "hub", "path") if wanted.get(field)]
    if len(given) != 1:
        names = " and ".join(given) or "none"
        raise AdapterError(
            "SourceNotAllowed", f"Exactly one of image, urls, hub and path says where it is; here: {names}."
        )
    if image := wanted.get("image"):
        return OciImage(image.strip(), tuple(wanted.get("imagePullSecrets", ())))
    if path := wanted.get("path"):
        return LocalFolder(Path(path))
    if hub := wanted.get("hub"):
        repository, _, revision = hub.partition("@")
        return _repository(repository, revision)
    urls = tuple(wanted["urls"])
    return (_hub_page(urls[0], environment) if len(urls) == 1 else None) or Urls(urls)


def _repository(name: str, revision: str) -> HubRepository:
    if not _REPOSITORY.fullmatch(name):
        raise AdapterError("SourceNotFound", f"{name!r} is no repository of a hub: it is owner/repository[@revision].")
    return HubRepository(name, revision or "main")


def _hub_page(url: str, environment: Mapping[str, str]) -> HubRepository | None:
    """Return the repository that a link shows, for the public hub and the one of `HF_ENDPOINT`."""
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" not in {_HUB, environment.get("HF_ENDPOINT", _HUB).rstrip("/")}:
        return None
    match = _HUB_PATH.fullmatch(parts.path)
    if not match or match[1].startswith(("datasets/", "spaces/", "api/")):
        return None
    return HubRepository(match[1], match[2] or "main")
