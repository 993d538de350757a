"""The outermost ASGI application on the serving port: probes, keys, draining, KAITO's routes; the rest is vLLM's."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from kaito.runtime.front import asgi, probes
from kaito.runtime.front.pins import Pins
from kaito.runtime.status import StatusBoard

_log = structlog.get_logger("kaito.runtime.requests")


class InFlight:
    """Counts the requests that are being answered, and tells when there are none."""

    def __init__(self) -> None:
        self.count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self.count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self.count -= 1
        if self.count == 0:
            self._none.set()

    async def wait_for_none(self) -> None:
        """Return when no request is being answered."""
        await self._none.wait()


class Gate:
    """Stands before vLLM's application.

    `routes` are KAITO's own, by path; `about` says on `/v1/models` which weights are served; `healthy` says whether the
    engine lives. With `api_keys`, every path but probes and metrics needs one: vLLM guards some of its own only.
    """

    def __init__(
        self,
        application: asgi.Application,
        board: StatusBoard,
        *,
        healthy: Callable[[], Awaitable[bool]],
        routes: Mapping[str, asgi.Application],
        about: Mapping[str, str],
        api_keys: Sequence[str] = (),
        pins: Pins | None = None,
        clock: Callable[[], float],
    ) -> None:
        self.in_flight = InFlight()
        self._pins = pins or Pins()
        self._application = application
        self._board = board
        self._healthy = healthy
        self._routes = {"/v1/models": self._models, **routes}
        self._about = about
        self._api_keys = [b"Bearer " + key.encode() for key in api_keys]
        self._clock = clock

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        path = scope["path"]
        if path in probes.LIVE_PATHS or path == probes.READY_PATH:
            await self._probe(path, send)
        elif path == probes.METRICS_PATH:
            await self._application(scope, receive, send)
        elif self._board.state.stage != "ready":
            headers = {**probes.RETRY_HEADERS, "Connection": "close"}
            await asgi.send_json(send, 503, probes.refusal(self._board.status()), headers)
        elif not self._allowed(scope):
            await asgi.send_json(send, 401, {"detail": "Unauthorized", "error": "Unauthorized"})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Pass a request on, counted and logged: never its content."""
        begun = self._clock()
        status = 0

        async def watched(message: asgi.Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self.in_flight, self._pins.request():
            try:
                await self._routes.get(scope["path"], self._application)(scope, receive, watched)
            finally:
                seconds = round(self._clock() - begun, 4)
                _log.info("request", method=scope["method"], path=scope["path"], status=status, seconds=seconds)

    async def _probe(self, path: str, send: asgi.Send) -> None:
        status = self._board.status()
        code, body = (probes.ready if path == probes.READY_PATH else probes.live)(status)
        if status["stage"] == "ready" and not await self._healthy():
            code, body = (503 if path == probes.READY_PATH else 500), {**body, "status": "EngineDead"}
        await asgi.send_json(send, code, body, probes.RETRY_HEADERS if code == 503 else None)

    async def _models(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer vLLM's list of models, with who owns them and which weights they are."""
        answer = await asgi.ask(self._application, scope, scope["method"], scope["path"], receive=receive)
        content = answer.json()
        if answer.status == 200 and isinstance(content, dict):
            answer.body = bytearray(json.dumps(described(content, self._about)).encode())
            answer.headers = [pair for pair in answer.headers if pair[0] != b"content-length"]
            answer.headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": bytes(answer.body)})

    def _allowed(self, scope: asgi.Scope) -> bool:
        """Compare with every key, so that the time taken tells nothing."""
        if not self._api_keys or scope["method"] == "OPTIONS":
            return True
        given = asgi.header(scope, b"authorization")
        matches = [hmac.compare_digest(given, key) for key in self._api_keys]
        return any(matches)


def described(models: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, Any]:
    """Return the list of models with `owned_by` kaito and what is known about the weights behind each entry."""
    entries = [{**entry, "owned_by": "kaito", "weights": dict(about)} for entry in models.get("data", [])]
    return {**models, "data": entries}
