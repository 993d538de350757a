"""String formats that a structural schema may name, and the scalars that built-in kinds are made of."""

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime

from kaito.core.quantity import parse_quantity

_DURATION = re.compile(r"([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+|0)\Z")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_HOSTNAME = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?\Z"
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+\Z|/\S*\Z")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\Z")
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}\Z")


def parse_duration(text: str) -> float:
    """Return the seconds of a Go duration such as `1h30m`. Raises ValueError."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(match[2]))
    return -seconds if match[1] == "-" else seconds


def parse_date_time(text: str) -> datetime:
    """Return an RFC 3339 time. Raises ValueError."""
    if _DATE_TIME.match(text) is None:
        raise ValueError(f"{text!r} is no RFC 3339 time")
    return datetime.fromisoformat(text.upper())


def _base64(text: str) -> object:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _matching(pattern: re.Pattern[str]) -> Callable[[str], object]:
    def check(text: str) -> object:
        if pattern.match(text) is None:
            raise ValueError(text)
        return text

    return check


_FORMATS: dict[str, Callable[[str], object]] = {
    "date-time": parse_date_time,
    "datetime": parse_date_time,
    "date": date.fromisoformat,
    "duration": parse_duration,
    "byte": _base64,
    "uuid": uuid.UUID,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "cidr": ipaddress.ip_network,
    "hostname": _matching(_HOSTNAME),
    "uri": _matching(_URI),
    "email": _matching(_EMAIL),
    "mac": _matching(_MAC),
    "quantity": parse_quantity,
}


def has_format(text: str, name: str) -> bool:
    """Whether `text` has the format `name`; unknown formats are ignored, as Kubernetes does."""
    check = _FORMATS.get(name)
    if check is None:
        return True
    try:
        check(text)
    except ValueError:
        return False
    return True


_INTEGER_BITS = {"int32": 31, "int64": 63}


def in_integer_range(number: float, name: str) -> bool:
    """Whether a number fits the integer format `name` (`int32`, `int64`; others do not limit it)."""
    bits = _INTEGER_BITS.get(name)
    return bits is None or -(2**bits) <= number < 2**bits
