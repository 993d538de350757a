"""Which credentials of the mounted Secrets are for a registry. Read at each pull, so that rotation is followed."""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from kaito.runtime.adapters.sources.oci.reference import DOCKER_HUB, DOCKER_HUB_NAMES, Reference


@dataclass(frozen=True)
class Credential:
    """One entry of a Secret, for `scope` (`host[:port][/path]`); which of the others are set tells its kind."""

    scope: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Keys:
    """The credentials for one image, the most specific first, and what is wrong with the Secrets."""

    credentials: tuple[Credential, ...] = ()
    remarks: tuple[str, ...] = ()


def read_keys(folder: Path, secrets: Sequence[str], reference: Reference) -> Keys:
    """Read the Secrets' files and return what is for `reference`. Nothing of their content gets into a remark."""
    found: list[Credential] = []
    remarks: list[str] = []
    for secret in secrets:
        try:
            content = json.loads((folder / f"{secret}.json").read_bytes())
            found.extend(_entries(content))
        except FileNotFoundError:
            remarks.append(f"The Secret {secret} is not there.")
        except (OSError, ValueError, TypeError, AttributeError, binascii.Error):
            remarks.append(f"The Secret {secret} holds no .dockerconfigjson that can be read.")
    matching = [credential for credential in found if _matches(credential.scope, reference)]
    if secrets and not matching and not remarks:
        remarks.append(f"{_listed(secrets)} no credentials for {reference.registry}/{reference.repository}.")
    matching.sort(key=lambda credential: len(credential.scope), reverse=True)
    return Keys(tuple(dict.fromkeys(matching)), tuple(remarks))


def _listed(secrets: Sequence[str]) -> str:
    return f"The Secret {secrets[0]} has" if len(secrets) == 1 else f"The Secrets {', '.join(secrets)} have"


def _entries(content: Any) -> Iterator[Credential]:
    """Yield the entries of a `.dockerconfigjson`, or of the older `.dockercfg`, which has no `auths` around them."""
    for key, entry in content.get("auths", content).items():
        username, password = entry.get("username") or "", entry.get("password") or ""
        if encoded := entry.get("auth"):
            decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
            username, _, password = decoded.rstrip("\0").partition(":")
        identity = entry.get("identitytoken") or ""
        if username == "<token>":  # as docker writes an identity token it got from a helper
            identity, username, password = identity or password, "", ""
        credential = Credential(_scope(key), username, password, identity, entry.get("registrytoken") or "")
        if credential != Credential(credential.scope):
            yield credential


def _scope(key: str) -> str:
    """Return a key of `auths` as `host[:port][/path]`: keys may be URLs, and docker's own has a version in its path."""
    rest = key.strip().removeprefix("https://").removeprefix("http://").rstrip("/")
    for version in ("/v1", "/v2"):
        rest = rest.removesuffix(version)
    host, slash, path = rest.partition("/")
    host = host.lower()
    return (DOCKER_HUB if host in DOCKER_HUB_NAMES else host) + slash + path


def _matches(scope: str, reference: Reference) -> bool:
    """Tell whether credentials for `scope` are for this image.

    As kubelet does it: the port is the same, `*` stands for (part of) one label of the host, and a path is that of the
    repository or a folder above it.
    """
    host, _, path = scope.partition("/")
    if path and reference.repository != path and not reference.repository.startswith(f"{path}/"):
        return False
    wanted, given = host.split("."), reference.registry.split(".")
    return len(wanted) == len(given) and all(map(fnmatchcase, given, wanted))
