"""Conversion webhooks: objects of one version as another's, by way of the hub.

One version is the hub; every other, a spoke, says how its objects become the hub's and come back. Two spokes never need
to know each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from kaito.core.errors import KaitoError
from kaito.core.objects import Object

CONVERSION_VERSION: Final = "apiextensions.k8s.io/v1"

Convert = Callable[[Object], Object]
"""Returns an object of one version as another's. It may change and return what it is given; apiVersion is set for it.

What it raises fails the whole review: the caller gets every object or none.
"""


@dataclass(frozen=True)
class Spoke:
    """A version that is not the hub: how its objects become the hub's, and how the hub's become its."""

    to_hub: Convert
    from_hub: Convert


class Conversion:
    """The versions of one kind. `hub` and the names of the spokes are whole, as `example.org/v1`."""

    def __init__(self, hub: str, **spokes: Spoke) -> None:
        self._hub = hub
        self._spokes = {self._whole(version): spoke for version, spoke in spokes.items()}

    def convert(self, obj: Object, version: str) -> Object:
        """Return an object as `version` has it. Raises KaitoError VersionUnknown, and what a spoke raises."""
        present = str(obj.get("apiVersion", ""))
        for one in (present, version):
            if one != self._hub and one not in self._spokes:
                raise KaitoError("VersionUnknown", f"{one!r} is no version that can be converted here", terminal=True)
        if present == version:
            return obj
        if present != self._hub:
            obj = {**self._spokes[present].to_hub(obj), "apiVersion": self._hub}
        return obj if version == self._hub else {**self._spokes[version].from_hub(obj), "apiVersion": version}

    def _whole(self, version: str) -> str:
        return f"{self._hub.rpartition('/')[0]}/{version}"


class ConversionRequest(msgspec.Struct, rename="camel"):
    """What is asked: these objects, as that version has them."""

    uid: str
    objects: list[dict[str, Any]]
    desired_api_version: str = msgspec.field(name="desiredAPIVersion")


class _Review(msgspec.Struct):
    request: ConversionRequest


_DECODER: Final = msgspec.json.Decoder(_Review)


def read_conversion(body: bytes) -> ConversionRequest:
    """Return the request of a ConversionReview. Raises ValueError where the body is none."""
    try:
        return _DECODER.decode(body).request
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the body is no ConversionReview: {error}") from error


def write_conversion(uid: str, converted: list[Object], fault: str = "") -> bytes:
    """Return the ConversionReview that answers: every object, or the `fault` that kept one of them from it."""
    result = {"status": "Failure", "message": fault} if fault else {"status": "Success"}
    response = {"uid": uid, "convertedObjects": [] if fault else converted, "result": result}
    return orjson.dumps({"apiVersion": CONVERSION_VERSION, "kind": "ConversionReview", "response": response})
