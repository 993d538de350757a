"""The outermost ASGI application on the serving port: a short chain of steps, each of which may answer itself.

probe → head → key → closed routes → stage → body → admission → vLLM's application or a route of ours
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kaito.runtime.config import MAX_BODY_BYTES
from kaito.runtime.front import asgi, paths, probes
from kaito.runtime.front.admission import Crowd, EngineLoad, Limits, admission
from kaito.runtime.front.errors import Refused, no_key, refused
from kaito.runtime.front.flight import Flight, Flights
from kaito.runtime.front.intake import Head, asked_model, read_head
from kaito.runtime.front.keys import KeyRing
from kaito.runtime.front.pins import Pins
from kaito.runtime.front.request_log import usage, write_request
from kaito.runtime.status import StatusBoard
from kaito.runtime.status.metrics import RequestMetrics


@dataclass(frozen=True)
class Rules:
    """What requests are held to. `seconds` bounds each of them; None: only the client's own `X-Request-Timeout`.

    `root_path` is what vLLM takes off the front of a path before it looks for the route; it does not end in a slash.
    """

    keys: KeyRing = field(default_factory=KeyRing)
    limits: Limits = field(default_factory=Limits)
    longest_body: int = MAX_BODY_BYTES
    seconds: float | None = None
    log: bool = True
    root_path: str = ""


class Gate:
    """Stands before vLLM's application.

    `routes` are KAITO's own, by path; `about` says on `/v1/models` which weights are served; `healthy` whether the
    engine lives, `load` what it has to do, `served` whether a model is there; `pins` holds what a request was handed.
    `closed` is set when the time has passed in which a server that is to end still takes new requests.
    """

    def __init__(
        self,
        application: asgi.Application,
        board: StatusBoard,
        *,
        healthy: Callable[[], Awaitable[bool]],
        routes: Mapping[str, asgi.Application],
        about: Mapping[str, str],
        clock: Callable[[], float],
        metrics: RequestMetrics,
        pins: Pins | None = None,
        rules: Rules | None = None,
        load: Callable[[], EngineLoad] = EngineLoad,
        served: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.in_flight = Flights()
        self.closed = False
        self._application = application
        self._board = board
        self._healthy = healthy
        self._routes = {"/v1/models": self._models, **routes}
        self._about = about
        self._clock = clock
        self._metrics = metrics
        self._pins = pins or Pins()
        self._rules = rules or Rules()
        self._load = load
        self._served = served

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request, or pass it on."""
        if (root := self._rules.root_path) and "path" in scope:
            scope = {**scope, "path": paths.below(root, scope["path"])}
        if scope["type"] == "http":
            if scope["path"] in paths.PROBES:
                await self._probe(scope["path"], send)
            else:
                await self._request(scope, receive, send)
        elif scope["type"] == "websocket" and self._turned_away(scope, asgi.header(scope, b"authorization")):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._application(scope, receive, send)

    async def _request(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Take a request through the steps; each refusal is an answer. Counted and logged, its content never."""
        begun = self._clock()
        head = read_head(scope)
        flight = Flight(receive, send, headers=partial(self._headers, head.request_id), clock=self._clock)
        model: str | None = None
        try:
            why = head.wrong or (None if head.preflight else self._turned_away(scope, head.authorization))
            if why is None or "Connection" in why.headers:  # who is cut off while it sends never reads the answer
                self.in_flight.add(flight)  # from here to its last byte: a drain waits for a body that is still coming
                untaken = await flight.take_body(scope, 0 if why else self._rules.longest_body)
                why = why or untaken
            if why is None and scope["path"] in paths.GENERATING:
                model = self._model(flight.body)
                why = self._crowded_out(model)
            if why is None:
                flight.deadline = self._deadline(head.seconds)
                await self._answer(flight, scope, model)
            else:
                await flight.refuse(why)
        except asgi.ClientGoneError:
            flight.gone = True
        finally:
            self.in_flight.remove(flight)
            self._metrics.finished(flight.refused_by)
            if self._rules.log:
                self._log(scope, head, flight, model, begun)

    async def _answer(self, flight: Flight, scope: asgi.Scope, model: str | None) -> None:
        """Let a route answer."""
        with self.in_flight.computing(model), self._pins.request():
            await flight.run(self._routes.get(scope["path"], self._application), scope)

    def _turned_away(self, scope: asgi.Scope, authorization: bytes) -> Refused | None:
        """Return why the request may not pass: no key, a route that is closed to all, or not the time for it."""
        keys, path = self._rules.keys, scope["path"]
        if keys.required and not keys.holder(authorization):
            return no_key()
        if paths.closed(path):
            message = f"{path} is closed on this port: adapters are changed through the admin port."
            return refused(403, "route_closed", message)
        stage = self._board.state.stage
        if stage == "ready" or path == probes.METRICS_PATH or (stage == "draining" and not self.closed):
            return None
        headers = {**probes.RETRY_HEADERS, "Connection": "close"}
        return Refused(503, "not_ready", probes.refusal(self._board.status()), headers)

    def _model(self, body: bytes | None) -> str:
        """Return the served model that a request asks; empty for none and for one that is not served."""
        name = asked_model(body)
        return name if self._served(name) else ""

    def _crowded_out(self, model: str) -> Refused | None:
        """Return why the engine may not have the request now."""
        flights = self.in_flight
        mine = flights.by_model[model]
        crowd = Crowd(flights.pending, mine, len(flights.by_model) + (mine == 0))
        return admission(self._rules.limits, self._load(), crowd)

    def _deadline(self, asked: float | None) -> float | None:
        """Return when, on the event loop's clock, the request must be answered: the client may ask for less only."""
        seconds = min((each for each in (asked, self._rules.seconds) if each is not None), default=None)
        return None if seconds is None else asyncio.get_running_loop().time() + seconds

    def _headers(self, request_id: bytes) -> list[tuple[bytes, bytes]]:
        """Return what every answer carries. A server that is to end gives its connections back: clients move on."""
        pairs = [(b"x-request-id", request_id)]
        if self._board.state.stage == "draining":
            pairs.append((b"connection", b"close"))
        return pairs

    def _log(self, scope: asgi.Scope, head: Head, flight: Flight, model: str | None, begun: float) -> None:
        fields: dict[str, Any] = {"method": scope["method"], "path": scope["path"], "status": flight.reported_status()}
        if model:
            fields["model"] = model
        if flight.refused_by:
            fields["refused"] = flight.refused_by
        fields["seconds"] = round(self._clock() - begun, 4)
        if flight.first_byte is not None:
            fields["first_byte_seconds"] = round(flight.first_byte - begun, 4)
        if flight.streams:
            fields["events"] = flight.chunks
        elif model is not None:
            fields |= usage(flight.tail)
        write_request({**fields, "request_id": head.request_id.decode()})

    async def _probe(self, path: str, send: asgi.Send) -> None:
        status = self._board.status()
        code, body = (probes.ready if path == probes.READY_PATH else probes.live)(status)
        if status["stage"] in {"ready", "draining"} and not await self._healthy():
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


def described(models: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, Any]:
    """Return the list of models with `owned_by` kaito and what is known about the weights behind each entry."""
    entries = [{**entry, "owned_by": "kaito", "weights": dict(about)} for entry in models.get("data", [])]
    return {**models, "data": entries}
