"""What the Secret holds, and how it changes. Pure."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from kaito.core.certificates.generation import Authority, Generation, unexpired
from kaito.core.clock import parse_timestamp, timestamp

SECRET_TYPE: Final = "kubernetes.io/tls"  # noqa: S105 - the name of a type
CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"
NEXT_CERTIFICATE, NEXT_KEY, NEXT_AFTER = "next.crt", "next.key", "next.after"
"""Keys of the Secret. The first three are those of every TLS Secret; the others are there during a rotation."""


@dataclass(frozen=True)
class Material:
    """What is served, the authorities to trust, and what is served from `next_after` on, once all trust it."""

    current: Generation
    authorities: tuple[Authority, ...]
    upcoming: Generation | None = None
    next_after: datetime | None = None

    @property
    def bundle(self) -> bytes:
        """PEM of every authority that callers shall trust."""
        return b"".join(authority.pem for authority in self.authorities)

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


@dataclass(frozen=True)
class Parts:
    """PEM text of a Secret: the authorities, (certificate, key) of what is served and of what is served next."""

    bundle: str
    pairs: list[tuple[str, str]] = field(repr=False)
    next_after: datetime | None = None


def parts_of(data: Mapping[str, str]) -> Parts:
    """Return the parts of a Secret's `data`, unread. Raises ValueError where one is missing or no text."""
    try:
        text = {name: base64.b64decode(value, validate=True).decode() for name, value in data.items()}
        bundle, pairs = text[AUTHORITIES], [(text[CERTIFICATE], text[KEY])]
        if NEXT_CERTIFICATE not in text:
            return Parts(bundle, pairs)
        pairs.append((text[NEXT_CERTIFICATE], text[NEXT_KEY]))
        return Parts(bundle, pairs, parse_timestamp(text[NEXT_AFTER]))
    except KeyError as error:
        raise ValueError(f"there is no {error.args[0]}") from error
    except binascii.Error as error:
        raise ValueError(f"a part is no base64: {error}") from error
