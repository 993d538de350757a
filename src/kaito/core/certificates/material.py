"""What the Secret holds, and how it changes. Pure."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.x509 import ExtensionNotFound

from kaito.core.certificates.generation import Generation, split_bundle, unexpired
from kaito.core.clock import parse_timestamp, timestamp

SECRET_TYPE: Final = "kubernetes.io/tls"  # noqa: S105 - the name of a type
CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"
NEXT_CERTIFICATE, NEXT_KEY, NEXT_AFTER = "next.crt", "next.key", "next.after"
"""Keys of the Secret. The first three are those of every TLS Secret; the others are there during a rotation."""


@dataclass(frozen=True)
class Material:
    """What is served, the authorities to trust, and what is served from `next_after` on, once all trust it."""

    current: Generation
    authorities: tuple[bytes, ...]
    upcoming: Generation | None = None
    next_after: datetime | None = None

    @property
    def bundle(self) -> bytes:
        """PEM of every authority that callers shall trust."""
        return b"".join(self.authorities)

    def staged(self, upcoming: Generation, after: datetime, now: datetime) -> "Material":
        """Return this with a generation that callers get to know before it is served."""
        trusted = unexpired((*self.authorities, self.current.authority, upcoming.authority), now)
        return Material(self.current, trusted, upcoming, after)

    def promoted(self, now: datetime) -> "Material":
        """Return this with the upcoming generation served. The old authority stays: another replica may be slower."""
        if self.upcoming is None:
            raise ValueError("there is no generation to promote")
        return Material(self.upcoming, unexpired((*self.authorities, self.upcoming.authority), now))


def fresh(generation: Generation) -> Material:
    """Return the material of a first generation."""
    return Material(generation, (generation.authority,))


def secret_data(material: Material) -> dict[str, str]:
    """Return the `data` of the Secret."""
    data = {
        CERTIFICATE: material.current.certificate,
        KEY: material.current.key,
        AUTHORITIES: material.bundle,
    }
    if material.upcoming is not None and material.next_after is not None:
        data[NEXT_CERTIFICATE] = material.upcoming.certificate
        data[NEXT_KEY] = material.upcoming.key
        data[NEXT_AFTER] = timestamp(material.next_after).encode()
    return {name: base64.b64encode(value).decode() for name, value in data.items()}


def read_secret(data: Mapping[str, str]) -> Material:
    """Return what the `data` of a Secret says. Raises ValueError where a part is missing or broken."""
    try:
        parts = {name: base64.b64decode(value, validate=True) for name, value in data.items()}
        authorities = split_bundle(parts[AUTHORITIES])
        current = Generation.read(authorities, parts[CERTIFICATE], parts[KEY])
        if NEXT_CERTIFICATE not in parts:
            return Material(current, tuple(authorities))
        upcoming = Generation.read(authorities, parts[NEXT_CERTIFICATE], parts[NEXT_KEY])
        return Material(current, tuple(authorities), upcoming, parse_timestamp(parts[NEXT_AFTER].decode()))
    except KeyError as error:
        raise ValueError(f"there is no {error.args[0]}") from error
    except (binascii.Error, TypeError, InvalidSignature, ExtensionNotFound) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
