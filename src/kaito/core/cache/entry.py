"""What the cache keeps of an object: decoded metadata and the rest as bytes, so that ten thousand Pods stay small."""

from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
import orjson

from kaito.core.client.codec import decode
from kaito.core.objects import Key, Kind, Metadata, Object

T = TypeVar("T")

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class CacheEntry(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """One object of a cache. `raw` is its JSON without managedFields; every reader decodes an object of its own."""

    kind: Kind[T]
    metadata: Metadata
    raw: bytes

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.metadata.key

    def decode(self) -> T:
        """Return a private object of the kind's model, decoded on each call."""
        return decode(self.kind, self.raw)

    def json(self) -> Object:
        """Return a private copy as plain JSON."""
        obj: Object = orjson.loads(self.raw)
        return obj

    def reference(self) -> Object:
        """Return apiVersion, kind and the identifying metadata: enough for an owner reference or an event."""
        return self.kind.reference(self.metadata)


@dataclass(frozen=True, slots=True)
class Event:
    """A change that the cache has already taken in.

    `old` is absent for ADDED, `new` for DELETED (`old` is then the last state known). `initial` marks objects that were
    there when the watch, or the handler, began.
    """

    kind: Kind[Any]
    type: EventType
    key: Key
    old: CacheEntry[Any] | None
    new: CacheEntry[Any] | None
    initial: bool = False

    @property
    def entry(self) -> CacheEntry[Any]:
        """The newer of the two states."""
        entry = self.new or self.old
        assert entry is not None
        return entry


_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_METADATA: Final = msgspec.json.Decoder(Metadata)
_NULL: Final = b"null"


def read_entry(kind: Kind[T], item: msgspec.Raw | bytes) -> CacheEntry[T]:
    """Return the entry of an object as it came from the server. Raises ValueError if it is no object of this kind.

    The bytes are copied: a view would keep the whole list alive.
    """
    fields = _FIELDS.decode(item)
    for name, expected in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        said = fields.get(name)
        if said is None:
            fields[name] = msgspec.Raw(orjson.dumps(expected))
        elif bytes(said) != b'"%s"' % expected.encode():
            raise ValueError(f"{name} is {bytes(said).decode()} instead of {expected}")
    if "metadata" not in fields:
        raise ValueError("it has no metadata")
    metadata = _FIELDS.decode(fields["metadata"])
    kept = {name: value for name, value in metadata.items() if name != "managedFields" and bytes(value) != _NULL}
    fields["metadata"] = msgspec.Raw(msgspec.json.encode(kept))
    return CacheEntry(kind, _METADATA.decode(fields["metadata"]), msgspec.json.encode(fields))


def reached(seen: str, wanted: str) -> bool:
    """Say whether version `seen` is `wanted` or later. Only decimal versions have an order (Kubernetes 1.35)."""
    if seen == wanted:
        return True
    if not (seen.isdecimal() and wanted.isdecimal()):
        return False
    return int(seen) >= int(wanted)
