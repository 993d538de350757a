"""The document of `/openapi/v2` in protobuf, the only form that kubectl asks for.

It reads there which kinds take `fieldValidation` when `/openapi/v3` does not know a kind, as for one that does not
exist. Written is what is read there: for each path the kind that is patched and the query parameters. Definitions are
in `/openapi/v3`, and in the JSON form. Source: gnostic's OpenAPIv2.proto, cli-runtime's query_param_verifier.go.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

ACCEPTED: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
MEDIA_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What is answered: the same without the `@`, which RFC 2045 does not allow there."""

_KIND: Final = "x-kubernetes-group-version-kind"


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the JSON form's paths as a `Document` message."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    paths = b"".join(
        _bytes(2, _text(1, path) + _bytes(2, _bytes(8, _operation(item["patch"]))))
        for path, item in document["paths"].items()
        if "patch" in item
    )
    return _text(1, document["swagger"]) + _bytes(2, info) + _bytes(8, paths)


def _operation(operation: Mapping[str, Any]) -> bytes:
    parameters = b"".join(_bytes(8, _query(each)) for each in operation["parameters"])
    kind = _text(1, _KIND) + _bytes(2, _text(2, orjson.dumps(operation[_KIND]).decode()))
    return parameters + _bytes(13, kind)


def _query(parameter: Mapping[str, Any]) -> bytes:
    """Return a `ParametersItem` that is a `Parameter` that is a `NonBodyParameter` that is one of the query."""
    content = _text(2, "query") + _text(4, parameter["name"]) + _text(6, parameter["type"])
    return _bytes(1, _bytes(2, _bytes(3, content)))


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _bytes(number: int, value: bytes) -> bytes:
    """Return a length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
