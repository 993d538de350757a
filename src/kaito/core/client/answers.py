"""What an answer says when it is not what was asked for: refusals, patience, warnings."""

import re
from collections.abc import Mapping
from typing import Final

import aiohttp
import orjson

from kaito.core.errors import ApiError, Status, api_error
from kaito.core.logs import get_logger
from kaito.core.recent import Recent

log = get_logger()

_REMEMBERED_WARNINGS: Final = 256
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def retry_after(answer: aiohttp.ClientResponse) -> float | None:
    """Return the seconds after which the server wants to be asked again; it says whole ones."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def refusal(answer: aiohttp.ClientResponse, content: bytes) -> ApiError:
    """Return the exception for an answer, from its `metav1.Status` if it is one."""
    pause = retry_after(answer)
    try:
        status = orjson.loads(content)
    except orjson.JSONDecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return api_error(read_status(status, answer.status), retry_after=pause)
    text = content[:512].decode(errors="replace").strip()
    message = f"{answer.method} {answer.url.path}: {text or answer.reason}"
    return api_error(Status(answer.status, _REASONS.get(answer.status, "Unknown"), message), retry_after=pause)


def read_status(status: Mapping[str, object], code: int = 500) -> Status:
    """Read a `metav1.Status` object; `code` stands in where it has none."""
    details = status.get("details")
    number = status.get("code")
    return Status(
        code=number if isinstance(number, int) and number else code,
        reason=str(status.get("reason") or _REASONS.get(code, "Unknown")),
        message=str(status.get("message") or ""),
        details=details if isinstance(details, dict) else {},
    )


class ServerWarnings:
    """Logs each different `Warning` header of a server once; the last 256 are remembered."""

    def __init__(self) -> None:
        self._seen: Recent[str, bool] = Recent(_REMEMBERED_WARNINGS)

    def log(self, answer: aiohttp.ClientResponse) -> None:
        """Log the warnings of an answer."""
        for header in answer.headers.getall("Warning", ()):
            for text in _WARNING.findall(header):
                if not self._seen.get(text):
                    log.warning("API server warning", warning=text.replace('\\"', '"'))
                    self._seen.put(text, True)
