"""What is read of a request before the application sees it: a few headers, the body within its bound, the model."""

import asyncio
import math
import os
import re
from typing import NamedTuple

import msgspec

from kaito.runtime.front import asgi
from kaito.runtime.front.errors import Refused, refused

BODY_SECONDS = 60.0
"""Time for a client to send its body."""

DISCARDED_BYTES = 2**27
"""How much of a body is read beyond its bound, and thrown away, before the connection is closed on the rest."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_CLOSE = {"Connection": "close"}


class Head(NamedTuple):
    """The headers that matter here. `seconds` is what the client gives the request; None when it does not say.

    `wrong` says what is the matter with them. `preflight`: a browser asks, without a key, whether it may ask.
    """

    request_id: bytes
    authorization: bytes
    seconds: float | None
    preflight: bool
    wrong: Refused | None


class _Asked(msgspec.Struct):
    model: str = ""


_MODEL = msgspec.json.Decoder(_Asked)


def read_head(scope: asgi.Scope) -> Head:
    """Read the headers. A request without a usable `X-Request-Id` gets one, which the application sees too."""
    request_id = authorization = timeout = b""
    origin = method = False
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"x-request-id":
            request_id = value
        elif name == b"x-request-timeout":
            timeout = value
        elif name == b"origin":
            origin = True
        elif name == b"access-control-request-method":
            method = True
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = os.urandom(16).hex().encode()
        kept = [pair for pair in scope["headers"] if pair[0] != b"x-request-id"]
        scope["headers"] = [*kept, (b"x-request-id", request_id)]
    seconds = _seconds(timeout) if timeout else None
    wrong = None
    if seconds is not None and not 0 < seconds < math.inf:
        wrong = refused(400, "bad_request", "X-Request-Timeout must be a number of seconds above 0.")
    return Head(request_id, authorization, seconds, scope["method"] == "OPTIONS" and origin and method, wrong)


async def read_body(scope: asgi.Scope, receive: asgi.Receive, limit: int) -> bytes | Refused | None:
    """Return the body; None where the method has none. Raises ClientGoneError."""
    if scope["method"] not in _WITH_BODY:
        return None
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read(receive, limit)
    except TimeoutError:
        return refused(408, "body_timeout", f"The body did not come within {BODY_SECONDS:g} s.", headers=_CLOSE)
    if body is not None:
        return body
    message = f"The body is longer than the {limit} bytes that this server takes (--kaito-max-body-bytes)."
    return refused(413, "body_too_large", message, headers=_CLOSE)


def asked_model(body: bytes | None) -> str:
    """Return the `model` of a JSON body, looking at nothing else; empty when there is none or it is no JSON."""
    if not body:
        return ""
    try:
        return _MODEL.decode(body).model
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""


async def _read(receive: asgi.Receive, limit: int) -> bytes | None:
    """Return the body; None for one that is too long, when it has been read and thrown away.

    A client whose connection is closed on it while it sends never reads the answer.
    """
    parts: list[bytes] = []
    length, more = 0, True
    while more and length <= limit + DISCARDED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asgi.ClientGoneError
        part = message.get("body", b"")
        length += len(part)
        if length <= limit:
            parts.append(part)
        else:
            parts.clear()
        more = message.get("more_body", False)
    return b"".join(parts) if length <= limit else None


def _seconds(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
