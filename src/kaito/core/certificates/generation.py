"""One generation: an authority and the one certificate that it signed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Authority:
    """PEM of an authority's certificate, and when it ends."""

    pem: bytes
    not_after: datetime


@dataclass(frozen=True)
class Generation:
    """An authority, PEM of a server's certificate that it signed, and of that one's key; and what they say."""

    authority: Authority
    certificate: bytes
    key: bytes = field(repr=False)
    not_before: datetime
    not_after: datetime
    names: frozenset[str]


def authority_of(answer: Mapping[str, Any]) -> Authority:
    """Return an authority as `signing` describes it."""
    return Authority(answer["pem"].encode(), _moment(answer["not_after"]))


def generation_of(answer: Mapping[str, Any]) -> Generation:
    """Return a generation as `signing` describes it."""
    return Generation(
        authority=authority_of(answer["authority"]),
        certificate=answer["certificate"].encode(),
        key=answer["key"].encode(),
        not_before=_moment(answer["not_before"]),
        not_after=_moment(answer["not_after"]),
        names=frozenset(answer["names"]),
    )


def unexpired(authorities: Iterable[Authority], now: datetime) -> tuple[Authority, ...]:
    """Return the authorities that are still good, each once, in their order."""
    return tuple(one for one in dict.fromkeys(authorities) if one.not_after > now)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
