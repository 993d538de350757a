"""References of images, as container engines read them. Pure."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

from kaito.runtime.adapters.failure import AdapterError

DOCKER_HUB = "docker.io"

DOCKER_HUB_NAMES = {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True)
class Reference:
    """`registry/repository`, and a tag or the digest that pins it."""

    registry: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read a reference: `phi-3-adapter`, `ghcr.io/org/adapter:v1`, `…@sha256:…`, with or without `oci://`.

        Raises AdapterError for what is none.
        """
        rest, pinned, digest = text.strip().removeprefix("oci://").partition("@")
        first, _, path = rest.partition("/")
        if not path or not ("." in first or ":" in first or first == "localhost"):
            first, path = DOCKER_HUB, rest
        name, tagged, tag = path.partition(":")
        registry = DOCKER_HUB if first.lower() in DOCKER_HUB_NAMES else first.lower()
        if registry == DOCKER_HUB and "/" not in name:
            name = f"library/{name}"
        valid = (
            _HOST.fullmatch(first)
            and _PATH.fullmatch(name)
            and (not tagged or _TAG.fullmatch(tag))
            and (not pinned or DIGEST.fullmatch(digest))
        )
        if not valid:
            raise AdapterError("SourceNotFound", f"{text!r} is no reference of an image: registry/repository:tag.")
        return cls(registry, name, tag or "latest", digest)

    @property
    def version(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag

    @property
    def endpoint(self) -> URL:
        """Where the registry answers. Plain HTTP is for this machine alone, as container engines have it."""
        host = "registry-1.docker.io" if self.registry == DOCKER_HUB else self.registry
        url = URL(f"https://{host}")
        return url if url.explicit_port == 443 or not _is_here(url) else URL(f"http://{host}")

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


def _is_here(url: URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ip_address(url.host or "").is_loopback
    except ValueError:
        return False
