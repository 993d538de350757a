"""A streamed answer of vLLM's on its way to a client of `/chat`."""

import json
from typing import Any

from kaito.runtime.front import asgi
from kaito.runtime.front.errors import error_of_event

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

    async def take(self, message: asgi.Message) -> None:
        """Take one message of the application's answer."""
        if message["type"] == "http.response.start":
            self.refusal.status = message["status"]
            return
        body = message.get("body", b"")
        if not self.begun and not self._refused(body):
            self.begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if self.begun:
            translated, more = self._translated(body), message.get("more_body", False)
            await self._send({"type": "http.response.body", "body": translated, "more_body": more})

    def _refused(self, body: bytes) -> bool:
        """Say whether the answer is none, and keep why: vLLM's error, or the first event where that is one."""
        if self.refusal.status == 200:
            why = error_of_event(body)
            if why is None:
                return False
            self.refusal.status, body = why.status, json.dumps(why.body).encode()
        if not self.refusal.body:
            self.refusal.body += body
        return True

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
