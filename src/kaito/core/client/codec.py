"""JSON to what a kind is read as: a dict, a pydantic model or a msgspec struct."""

from functools import lru_cache
from typing import Any, Final, TypeVar, cast

import msgspec
import orjson

from kaito.core.errors import ConnectionLostError, KaitoError
from kaito.core.objects import Kind, Metadata, Object

T = TypeVar("T")


def read_object(raw: bytes, what: str) -> Object:
    """Return an answer of the server. Raises ConnectionLostError if it is no JSON object: that is no API server."""
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ConnectionLostError(f"{what}: the answer is no JSON: {error}") from error
    if not isinstance(answer, dict):
        raise ConnectionLostError(f"{what}: the answer is no object")
    return answer


def decode(kind: Kind[T], raw: bytes) -> T:
    """Return a private object.

    Raises KaitoError ObjectUnreadable if it does not fit the model, ConnectionLostError if it is no object at all.
    """
    model: Any = kind.model
    try:
        if model is dict:
            plain: Any = orjson.loads(raw)
            if not isinstance(plain, dict):
                raise ValueError("no object")
            return cast("T", plain)
        if hasattr(model, "model_validate_json"):
            validated: T = model.model_validate_json(raw)
            return validated
        decoded: T = _decoder(model).decode(raw)
    except ValueError as error:
        read_object(raw, str(kind))
        raise KaitoError(
            "ObjectUnreadable",
            f"{kind}: the object does not fit {model.__name__}: {error}",
            terminal=True,
            remedy="Correct the named fields of the object.",
        ) from error
    return decoded


@lru_cache(maxsize=256)
def _decoder(model: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(model)


class ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    """`metav1.ListMeta`."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class RawList(msgspec.Struct, frozen=True):
    """A page of a list; its items are views into the answer, and are copied by whoever keeps them."""

    kind: str = ""
    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None


class RawEvent(msgspec.Struct, frozen=True):
    """A line of a watch."""

    type: str
    object: msgspec.Raw


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: Metadata


INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"
_bookmark = msgspec.json.Decoder(_Bookmark)


def read_bookmark(item: msgspec.Raw) -> tuple[str, bool]:
    """Return the version of a bookmark's object, and whether it ends the initial events. Raises ValueError."""
    metadata = _bookmark.decode(item).metadata
    if not metadata.resource_version:
        raise ValueError("a bookmark has no resourceVersion")
    return metadata.resource_version, metadata.annotations.get(INITIAL_EVENTS_END) == "true"


read_list = msgspec.json.Decoder(RawList).decode
read_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
read_event = msgspec.json.Decoder(RawEvent).decode
