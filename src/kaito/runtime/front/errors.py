"""Answers that this server gives instead of vLLM's, in the form that OpenAI's clients read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
