"""What the cache keeps of an object: decoded metadata and the rest as bytes, so that ten thousand Pods stay small."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
import orjson

from kaito.core.cache.sharing import share
from kaito.core.client.codec import decode
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.core.objects import Key, Kind, Metadata, Object

log = get_logger()

T = TypeVar("T")

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
Transform = Callable[[Object], Object]
"""Changes an object before it is kept, so that it takes less room. Doing so twice must be the same as once.

An object for which it fails is kept as it came, and an error is logged.
"""

Mode = Literal["metadata", "raw", "compressed", "decoded"]
"""How the objects of a kind are kept. Sizes are those of a Pod of 10 KB, times those of reading it.

`raw`: the JSON, 8.5 KiB; a reader decodes it. `metadata`: nothing but the metadata, which is also all that the server
is asked for, 2.2 KiB. `compressed`: the JSON in zlib, 4 KiB; reading takes 25 µs more. `decoded`: the object as well as
its JSON, for small kinds that are read all the time; every reader gets the same one, so its model must be frozen.
"""


class CacheEntry(msgspec.Struct, Generic[T], frozen=True, gc=False, eq=False):
    """One object of a cache, shared by its readers: its metadata is to be read, not changed."""

    kind: Kind[T]
    metadata: Metadata
    kept: bytes
    """The JSON, or the JSON in zlib; `raw` is either's."""
    decoded: T | None = None
    """The object, in the mode of that name."""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.metadata.key

    @property
    def raw(self) -> bytes:
        """The object's JSON, without managedFields."""
        return self.kept if self.kept[:1] == b"{" else zlib.decompress(self.kept)

    def __repr__(self) -> str:
        """Return which object it is, and nothing of what is in it: that may be secret."""
        return f"<{self.kind} {self.key} at version {self.metadata.resource_version}>"

    def decode(self) -> T:
        """Return a private object of the kind's model, decoded on each call; in mode `decoded` the frozen shared one.

        Raises KaitoError ObjectUnreadable.
        """
        return decode(self.kind, self.raw) if self.decoded is None else self.decoded

    def json(self) -> Object:
        """Return a private copy as plain JSON."""
        obj: Object = orjson.loads(self.raw)
        return obj

    def reference(self) -> Object:
        """Return apiVersion, kind and the identifying metadata: enough for an owner reference or an event."""
        return self.kind.reference(self.metadata)

    def of(self, kind: Kind[T]) -> "CacheEntry[T]":
        """Return this object as one of `kind`: another model of the same resource reads the same bytes."""
        if self.kind is kind:
            return self
        return CacheEntry(kind, self.metadata, self.kept)

    def is_state_of(self, other: "CacheEntry[Any]") -> bool:
        """Say whether both are the same object in the same version."""
        mine, others = self.metadata, other.metadata
        return mine.resource_version == others.resource_version and mine.uid == others.uid


@dataclass(frozen=True, slots=True)
class Event:
    """A change that the cache has already taken in.

    `old` is absent for ADDED, `new` for DELETED (`old` is then the last state known; with `final_state_unknown` there
    may have been later ones, for the deletion was found by a list). `initial` marks objects that were there when the
    watch, or the handler, began. An object deleted and made again between two lists is MODIFIED, under a new uid.
    """

    kind: Kind[Any]
    type: EventType
    key: Key
    old: CacheEntry[Any] | None
    new: CacheEntry[Any] | None
    initial: bool = False
    final_state_unknown: bool = False

    def of(self, kind: Kind[Any]) -> "Event":
        """Return this change with entries of `kind`."""
        if self.kind is kind:
            return self
        old, new = self.old and self.old.of(kind), self.new and self.new.of(kind)
        return replace(self, kind=kind, old=old, new=new)

    @property
    def entry(self) -> CacheEntry[Any]:
        """The newer of the two states."""
        entry = self.new or self.old
        assert entry is not None
        return entry

    @property
    def is_resync(self) -> bool:
        """Nothing changed: the object is shown again because the handler's resync period has passed."""
        return self.new is not None and self.new is self.old


_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_METADATA: Final = msgspec.json.Decoder(Metadata)
_ENCODER: Final = msgspec.json.Encoder()
_PARTIAL: Final = {b'"meta.k8s.io/v1"', b'"PartialObjectMetadata"'}
_NULL: Final = b"null"
_ZLIB_LEVEL: Final = 1
"""The fastest: higher levels save a tenth for twice the time."""
_buffer = bytearray()


def read_entry(
    kind: Kind[T], item: msgspec.Raw | bytes, mode: Mode = "raw", transform: Transform | None = None
) -> CacheEntry[T]:
    """Return the entry of an object as it came from the server. Raises ValueError if it is no object of this kind.

    The bytes are copied: a view would keep the whole list alive.
    """
    fields = _FIELDS.decode(item)
    for name, expected in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        said = bytes(fields.get(name, b""))
        if not said or (mode == "metadata" and said in _PARTIAL):
            fields[name] = msgspec.Raw(orjson.dumps(expected))
        elif said != b'"%s"' % expected.encode():
            raise ValueError(f"{name} is {said.decode()} instead of {expected}")
    if "metadata" not in fields:
        raise ValueError("it has no metadata")
    metadata = _FIELDS.decode(fields["metadata"])
    kept = {name: value for name, value in metadata.items() if name != "managedFields" and bytes(value) != _NULL}
    fields["metadata"] = msgspec.Raw(msgspec.json.encode(kept))
    if mode == "metadata":
        fields = {name: fields[name] for name in ("apiVersion", "kind", "metadata")}
    if transform is not None:
        return read_entry(kind, _transformed(kind, fields, transform), mode)
    body = _exact_copy(fields)
    decoded = _decoded(kind, body) if mode == "decoded" else None
    stored = zlib.compress(body, _ZLIB_LEVEL) if mode == "compressed" else body
    return CacheEntry(kind, share(_METADATA.decode(fields["metadata"]), kept), stored, decoded)


class _Named(msgspec.Struct):
    name: str
    namespace: str | None = None


class _Identified(msgspec.Struct):
    metadata: _Named


_IDENTITY: Final = msgspec.json.Decoder(_Identified)


def read_key(item: msgspec.Raw | bytes) -> Key | None:
    """Return which object it is that cannot be read, or None if not even that can be told."""
    try:
        named = _IDENTITY.decode(item).metadata
    except ValueError:
        return None
    return Key(named.namespace or "", named.name) if named.name else None


def _transformed(kind: Kind[Any], fields: dict[str, msgspec.Raw], transform: Transform) -> bytes:
    """Return the JSON of what a user's `transform` makes of an object; of the object itself if that fails."""
    untouched = msgspec.json.encode(fields)
    try:
        made = orjson.dumps(transform(orjson.loads(untouched)))
    except Exception:
        log.exception("a transform failed; the object is kept as it came", kind=str(kind))
        return untouched
    return made


def _decoded(kind: Kind[T], body: bytes) -> T | None:
    """Return the object, or None if it does not fit its model: that is told to who reads it."""
    try:
        return decode(kind, body)
    except KaitoError:
        return None


def _exact_copy(fields: dict[str, msgspec.Raw]) -> bytes:
    """Return JSON in memory of its own size: what `encode` returns has been cut short in place, and wastes 0.4 KiB."""
    _ENCODER.encode_into(fields, _buffer)
    return bytes(_buffer)


def reached(seen: str, wanted: str) -> bool:
    """Say whether version `seen` is `wanted` or later. Only decimal versions have an order (Kubernetes 1.35)."""
    if seen == wanted:
        return True
    if not (seen.isdecimal() and wanted.isdecimal()):
        return False
    return int(seen) >= int(wanted)
