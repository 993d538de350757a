"""A streamed answer of vLLM's on its way to a client of `/chat`."""

import json
from typing import Any

from kaito.runtime.front import asgi

_DONE = b"data: [DONE]"
_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class Pieces:
    """Turns each event of vLLM's into one that carries `{"Result": piece}`; `before` comes first of all.

    What is no stream is not passed on: it is kept as `refusal`, and `begun` stays false. An error event in the middle
    is passed on as it is.
    """

    def __init__(self, send: asgi.Send, *, before: str) -> None:
        self.begun = False
        self.refusal = asgi.Answer()
        self._send = send
        self._before = before
        self._rest = b""
        self._start = False

    async def take(self, message: asgi.Message) -> None:
        """Take one message of the application's answer."""
        if message["type"] == "http.response.start":
            self.refusal.status = message["status"]
            self._start = message["status"] == 200
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if not self._start or (not self.begun and body.startswith(b'data: {"error"')):
            self._start = False
            self.refusal.status = self.refusal.status if self.refusal.status != 200 else _code(body)
            self.refusal.body += body.removeprefix(b"data: ").partition(b"\n")[0] if not self.refusal.body else b""
            return
        if not self.begun:
            self.begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._send({"type": "http.response.body", "body": self._translated(body), "more_body": more})

    def _translated(self, body: bytes) -> bytes:
        *events, self._rest = (self._rest + body).split(b"\n\n")
        return b"".join(piece for event in events if (piece := self._event(event)))

    def _event(self, event: bytes) -> bytes:
        if event.strip() == _DONE or not event.startswith(b"data: "):
            return event + b"\n\n"
        content = json.loads(event.removeprefix(b"data: "))
        if "error" in content:
            return event + b"\n\n"
        text = self._before + "".join(_text(choice) for choice in content["choices"])
        self._before = ""
        return b"data: " + json.dumps({"Result": text}, ensure_ascii=False).encode() + b"\n\n" if text else b""


def _text(choice: dict[str, Any]) -> str:
    return choice["delta"].get("content") or "" if "delta" in choice else choice.get("text") or ""


def _code(event: bytes) -> int:
    """Return the status that an error event stands for."""
    try:
        return int(json.loads(event.removeprefix(b"data: ").partition(b"\n")[0])["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return 500
