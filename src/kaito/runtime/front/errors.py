"""Answers that this server gives instead of vLLM's, in the form that OpenAI's clients read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COME_AGAIN = frozenset({429, 503})
"""Statuses that say `Retry-After`."""

_ERROR_EVENT = b'data: {"error":'


@dataclass(frozen=True)
class Refused:
    """An answer instead of the one that was asked for. `reason` is a label of the metrics, from a closed list."""

    status: int
    reason: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def refused(
    status: int, code: str, message: str, *, reason: str = "", kind: str = "", headers: Mapping[str, str] | None = None
) -> Refused:
    """Return an answer with an `error` as OpenAI's API has it, and `detail` for clients of `/chat`."""
    kind = kind or ("invalid_request_error" if status < 500 else "service_unavailable")
    error = {"message": message, "type": kind, "param": None, "code": code}
    return Refused(status, reason or code, {"error": error, "detail": message}, headers or {})


def no_key() -> Refused:
    """Return the answer for whoever shows no key of ours."""
    message = "A valid API key is needed: Authorization: Bearer <key>."
    return refused(401, "invalid_api_key", message, headers={"WWW-Authenticate": "Bearer"})


def error_of_event(body: bytes) -> Refused | None:
    """Return the refusal in an event of a stream; None when it is no error, or its code no HTTP status."""
    if not body.startswith(_ERROR_EVENT):
        return None
    try:
        error = json.loads(body.split(b"\n", 1)[0].removeprefix(b"data: "))["error"]
        status = int(error["code"])
    except (ValueError, KeyError, TypeError):
        return None
    if not 400 <= status <= 599:
        return None
    headers = {"Retry-After": "1"} if status in COME_AGAIN else {}
    return Refused(status, "first_event", {"error": error, "detail": error.get("message", "")}, headers)
