"""Kubernetes' protobuf, read only: typed Go clients (`kubectl create` is one) send built-in objects in it.

Source of the envelope: apimachinery `runtime/serializer/protobuf`; fields: `protobuf_fields.txt`. Answers are
JSON, which such clients accept as well.
"""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any, Final, NamedTuple

import orjson

from kaito.core.clock import micro_timestamp, timestamp
from kaito.core.objects import Object

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"

_MAGIC: Final = b"k8s\x00"
_FLAGS: Final = "!*%+"
_LAST_SECOND: Final = 253_402_300_799
"""The last second of the year 9999."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Field(NamedTuple):
    """One field of a message: `flags` and `kind` as the head of the table explains them."""

    name: str
    flags: str
    kind: str


def decode(body: bytes) -> Object:
    """Return the object in an envelope as JSON values. Raises ValueError for what is none, or for an unknown kind."""
    if not body.startswith(_MAGIC):
        raise ValueError("the body does not begin with the magic number of Kubernetes protobuf")
    envelope = dict(_fields(body[len(_MAGIC) :]))
    type_meta = {number: _bytes(value).decode() for number, value in _fields(_bytes(envelope.get(1, b"")))}
    api_version, kind = type_meta.get(1, ""), type_meta.get(2, "")
    group, _, version = api_version.rpartition("/")
    name = f"{group.partition('.')[0] or 'core'}.{version}.{kind}"
    if kind == "DeleteOptions":
        name = "meta.v1.DeleteOptions"
    if name not in _table():
        raise ValueError(f"no protobuf of {kind} in {api_version} is known here; send JSON")
    return {"apiVersion": api_version, "kind": kind, **_message(envelope.get(2, b""), name)}


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    text = resources.files(__package__).joinpath("protobuf_fields.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    entries = "\n".join(lines).replace("\n  ", " ").split("\n")
    return {name: fields for name, _, fields in (entry.partition(" ") for entry in entries)}


@lru_cache(maxsize=256)
def _type(name: str) -> dict[int, Field]:
    package = name.rpartition(".")[0]
    fields = {}
    for text in _table()[name].split():
        field, _, notation = text.partition("=")
        digits = len(notation) - len(notation.lstrip("0123456789"))
        rest = notation[digits:]
        kind = rest.lstrip(_FLAGS)
        flags = rest[: len(rest) - len(kind)]
        if kind.startswith(":") and "." not in kind:
            kind = f":{package}.{kind[1:]}"
        fields[int(notation[:digits])] = Field(field, flags, kind)
    return fields


@lru_cache(maxsize=256)
def fields_of(name: str) -> dict[str, Field] | None:
    """Return the fields of a type by name, those of embedded types among them; None for a type that is not known."""
    if name not in _table():
        return None
    fields: dict[str, Field] = {}
    for field in _type(name).values():
        if "+" in field.flags:
            fields.update(fields_of(field.kind[1:]) or {})
        else:
            fields[field.name] = field
    return fields


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field: an int for varints, bytes for everything else."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} is not used by Kubernetes")
        if position + size > len(data):
            raise ValueError("the message ends within a field")
        yield tag >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("the message ends within a number")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number stands where text or a message belongs")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError("text stands where a number belongs")
    return value - (1 << 64) if value >> 63 else value


def _message(data: Any, name: str) -> Object:
    known = _type(name)
    result: Object = {}
    for number, raw in _fields(_bytes(data)):
        field = known.get(number)
        if field is None:
            continue  # written by a newer client, as an unknown JSON field would be
        if "%" in field.flags:
            key, value = _entry(raw, field.kind)
            result.setdefault(field.name, {})[key] = value
        elif "*" in field.flags:
            result.setdefault(field.name, []).append(_value(raw, field.kind))
        elif "+" in field.flags:
            result.update(_message(raw, field.kind[1:]))
        else:
            value = _value(raw, field.kind)
            if "!" in field.flags or value not in ("", 0, False, None, {}):  # Go leaves its zero values out of JSON
                result[field.name] = value
    return result


def _entry(raw: Any, kind: str) -> tuple[str, Any]:
    pair = dict(_fields(_bytes(raw)))
    empty: Any = 0 if kind in ("i", "b") else b""
    return _bytes(pair.get(1, b"")).decode(), _value(pair.get(2, empty), kind)


def _value(raw: Any, kind: str) -> Any:
    match kind:
        case "s":
            return _bytes(raw).decode()
        case "i":
            return _number(raw)
        case "b":
            return bool(_number(raw))
        case "y":
            return base64.b64encode(_bytes(raw)).decode()
        case "q":
            return _bytes(dict(_fields(_bytes(raw))).get(1, b"0")).decode()
        case "x":
            parts = dict(_fields(_bytes(raw)))
            return _bytes(parts.get(3, b"")).decode() if parts.get(1) else _number(parts.get(2, 0))
        case "t" | "m":
            return _time(_bytes(raw), micro=kind == "m")
        case "r":
            text = _bytes(dict(_fields(_bytes(raw))).get(1, b""))
            return orjson.loads(text) if text else None
    return _message(raw, kind[1:])


def _time(raw: bytes, *, micro: bool) -> str | None:
    parts = dict(_fields(raw))
    seconds = _number(parts.get(1, 0))
    if not 0 < seconds <= _LAST_SECOND:
        return None
    moment = _EPOCH + timedelta(seconds=seconds, microseconds=min(_number(parts.get(2, 0)) // 1000, 999_999))
    return micro_timestamp(moment) if micro else timestamp(moment)
