"""HTTP answers: JSON bodies, the Status of a refusal, and warning headers."""

from collections.abc import Iterable

import orjson
from aiohttp import web

from kaito.apiserver.request import JSON
from kaito.apiserver.status import status_body
from kaito.core.errors import ApiError
from kaito.core.objects import Object

_MAX_WARNINGS = 4096
_MAX_WARNING = 256
"""Characters of all warnings of an answer, and of each once there are more than that. Source: apiserver's filters."""


def json_answer(
    body: Object | bytes, code: int = 200, *, warnings: tuple[str, ...] = (), content_type: str = JSON
) -> web.Response:
    """Return a JSON answer; each warning becomes a `Warning` header (RFC 7234, code 299)."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    response = web.Response(
        body=data, status=code, headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"}
    )
    for text in _shown(warnings):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def _shown(warnings: Iterable[str]) -> list[str]:
    """Return each warning once, as much of them as an answer may carry."""
    texts = list(dict.fromkeys("".join(char for char in warning if char.isprintable()) for warning in warnings))
    if sum(map(len, texts)) <= _MAX_WARNINGS:
        return texts
    return [text[:_MAX_WARNING] for text in texts[: _MAX_WARNINGS // _MAX_WARNING]]


def text_answer(text: str, code: int = 200) -> web.Response:
    """Return a plain text answer."""
    return web.Response(text=text, status=code, content_type="text/plain")


def refusal(error: ApiError) -> web.Response:
    """Return the answer of a refused request."""
    response = json_answer(status_body(error.status), error.code, warnings=error.warnings)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(round(error.retry_after))
    return response
