"""One line for each request: who asked what, how it went, and how long it took. Never what was asked or answered."""

import os
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

_PROMPT_TOKENS = re.compile(rb'"prompt_tokens":(\d+)')
_COMPLETION_TOKENS = re.compile(rb'"completion_tokens":(\d+)')
_USAGE_BYTES = 1000
"""vLLM ends an answer with its usage, within so many bytes."""

_encode = msgspec.json.Encoder().encode


def write_request(fields: dict[str, Any]) -> None:
    """Write the line to standard error, past the logging chain: it is the most frequent line by far."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "level": "info", "logger": "kaito.runtime.requests", "event": "request", **fields}
    os.write(2, _encode(line) + b"\n")


def usage(tail: bytes) -> dict[str, int]:
    """Return the tokens that the end of an answer speaks of. A text cannot pose as them: its quotes are escaped."""
    end = tail[-_USAGE_BYTES:]
    found = {"prompt_tokens": _PROMPT_TOKENS.search(end), "completion_tokens": _COMPLETION_TOKENS.search(end)}
    return {name: int(match[1]) for name, match in found.items() if match}
