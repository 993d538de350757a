import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from kaito.contracts import WeightsStatus
from kaito.runtime.front import EngineLoad, Gate, KeyRing, Limits, Rules, asgi
from kaito.runtime.front.errors import refused
from kaito.runtime.front.flight import CUT_SECONDS
from kaito.runtime.status import ServerState, StatusBoard
from kaito.runtime.status.metrics import RequestMetrics

ABOUT = {"kind": "stand-in", "preset": "phi-3"}


async def vllm(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    if scope["path"] == "/v1/models":
        await asgi.send_json(send, 200, {"object": "list", "data": [{"id": "phi", "owned_by": "vllm", "root": "/w"}]})
    else:
        await asgi.send_json(send, 200, {"from": "vllm", "path": scope["path"]})


class Front:
    """A gate with a ready server behind it."""

    def __init__(
        self,
        *,
        keys: tuple[str, ...] = (),
        application: asgi.Application = vllm,
        limits: Limits | None = None,
        load: EngineLoad | None = None,
        seconds: float | None = None,
    ) -> None:
        self.engine_load = load or EngineLoad()
        self.registry = CollectorRegistry()
        weights = WeightsStatus(kind="stand-in", source="/w", loadedBytes=1, totalBytes=1)
        self.board = StatusBoard(ServerState(model="phi", weights=weights, entered=0.0, stage="ready"), lambda: 1.0)
        self.engine_lives = True

        async def healthy() -> bool:
            return self.engine_lives

        async def chat(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
            await asgi.send_json(send, 200, {"Result": "x"})

        routes = {"/chat": chat}
        self.gate = Gate(
            application,
            self.board,
            healthy=healthy,
            routes=routes,
            about=ABOUT,
            clock=lambda: 1.0,
            metrics=RequestMetrics(self.registry),
            rules=Rules(
                KeyRing(plain=keys), limits or Limits(), longest_body=1000, seconds=seconds, root_path="/under"
            ),
            load=lambda: self.engine_load,
            served=lambda name: name in {"phi", "pirate"},
        )

    async def ask(
        self, path: str, *, method: str = "GET", key: str = "", body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        scope = {**asgi.own_scope("127.0.0.1", 5000), "method": method, "path": path}
        if key:
            scope["headers"].append((b"authorization", f"Bearer {key}".encode()))
        scope["headers"] += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        sent: list[asgi.Message] = []
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> asgi.Message:
            if parts:
                return parts.pop()
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

        async def send(message: asgi.Message) -> None:
            sent.append(message)

        await self.gate(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, json.loads(sent[1]["body"])


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/health", "/readyz"])
async def test_probes_of_a_ready_server_are_good_and_say_which_weights_it_serves(path: str) -> None:
    status, _, body = await Front().ask(path)
    assert (status, body["stage"], body["weights"]) == (200, "ready", "stand-in")


async def test_a_dead_engine_fails_both_probes_at_once() -> None:
    front = Front()
    front.engine_lives = False
    assert (await front.ask("/healthz"))[0] == 500
    assert (await front.ask("/readyz"))[0] == 503


async def test_a_draining_server_is_not_ready_but_answers_and_gives_its_connections_back() -> None:
    front = Front()
    assert "connection" not in (await front.ask("/chat", method="POST"))[1]
    front.board.enter("draining")
    assert (await front.ask("/healthz"))[0] == 200
    assert (await front.ask("/readyz"))[0] == 503
    status, headers, _ = await front.ask("/chat", method="POST")
    assert (status, headers["connection"]) == (200, "close")


async def test_a_drained_server_is_alive_and_takes_nothing_new() -> None:
    front = Front()
    front.board.enter("draining")
    front.gate.closed = True
    assert (await front.ask("/healthz"))[0] == 200
    assert (await front.ask("/readyz"))[0] == 503
    for path in ("/chat", "/v1/completions", "/v1/models"):
        status, headers, body = await front.ask(path, method="POST")
        assert (status, headers["retry-after"], headers["connection"]) == (503, "5", "close")
        assert "shutting down" in body["detail"]


async def test_metrics_are_vllm_s_at_every_stage() -> None:
    front = Front()
    front.board.enter("draining")
    assert (await front.ask("/metrics"))[2]["from"] == "vllm"


async def test_models_say_who_owns_them_and_which_weights_they_are() -> None:
    status, headers, body = await Front().ask("/v1/models")
    [model] = body["data"]
    assert (status, model["owned_by"], model["weights"], model["root"]) == (200, "kaito", ABOUT, "/w")
    assert int(headers["content-length"]) == len(json.dumps(body).encode())


async def test_kaito_s_routes_are_ours_and_the_rest_is_vllm_s() -> None:
    front = Front()
    assert (await front.ask("/chat", method="POST"))[2] == {"Result": "x"}
    assert (await front.ask("/v1/completions", method="POST"))[2]["path"] == "/v1/completions"


@pytest.mark.parametrize("path", ["/chat", "/v1/models", "/invocations", "/tokenize", "/openapi.json", "/metrics"])
async def test_with_keys_every_path_but_probes_needs_one(path: str) -> None:
    front = Front(keys=("one", "two"))
    assert (await front.ask(path))[0] == 401
    assert (await front.ask(path, key="three"))[0] == 401
    assert (await front.ask(path, key="two"))[0] == 200
    assert (await front.ask("/readyz"))[0] == 200


async def test_requests_in_flight_are_counted_until_their_last_byte() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        begun.set()
        await release.wait()
        await send({"type": "http.response.body", "body": b"{}"})

    front = Front(application=slow)
    request = asyncio.create_task(front.ask("/v1/completions"))
    await begun.wait()
    assert front.gate.in_flight.count == 1
    front.board.enter("draining")
    drained = asyncio.create_task(front.gate.in_flight.wait_for_none())
    await asyncio.sleep(0)
    assert not drained.done()
    release.set()
    assert (await request)[0] == 200
    await asyncio.wait_for(drained, 1)


async def test_a_request_that_breaks_is_no_longer_in_flight() -> None:
    async def broken(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        raise RuntimeError("broken")

    front = Front(application=broken)
    with pytest.raises(RuntimeError, match="broken"):
        await front.ask("/v1/completions")
    assert front.gate.in_flight.count == 0


async def reads_its_body(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    body = await asgi.read_body(receive)
    await asgi.send_json(send, 200, {"length": len(body)})


async def waits_for_the_client_to_leave(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    """As vLLM's handlers: they compute until they are told that the client has gone, and then answer `null`."""
    await asgi.read_body(receive)
    assert (await receive())["type"] == "http.disconnect"
    await asgi.send_json(send, 200, None)


async def streams_until_the_client_leaves(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await asgi.read_body(receive)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: {}\n\n", "more_body": True})
    assert (await receive())["type"] == "http.disconnect"
    await send({"type": "http.response.body", "body": b"dropped", "more_body": False})


async def test_the_application_reads_the_body_that_the_gate_has_read() -> None:
    front = Front(application=reads_its_body)
    assert (await front.ask("/v1/completions", method="POST", body=b'{"model":"phi"}'))[2] == {"length": 15}


@pytest.mark.parametrize("path", ["/v1/completions", "/chat", "/anything"])
@pytest.mark.parametrize("parts", [[1001], [600, 400, 1], [999, 1, 0, 500]])
async def test_a_body_beyond_the_bound_is_refused_on_every_path(path: str, parts: list[int]) -> None:
    client = Client(Front().gate, path, [b"x" * length for length in parts])
    await client.task
    assert client.sent[0]["status"] == 413
    assert (b"connection", b"close") in client.sent[0]["headers"]
    assert b"--kaito-max-body-bytes" in client.sent[1]["body"]
    assert client.unread == 0  # a client that is still sending reads no answer


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"model": 5}', b"\xff\xfe", b"[" * 900, b'{"model":"nobody"}'])
async def test_what_names_no_model_goes_to_the_application_which_says_what_is_wrong(body: bytes) -> None:
    front = Front(application=reads_its_body)
    assert (await front.ask("/v1/completions", method="POST", body=body))[0] == 200


async def test_every_answer_has_a_request_id_and_a_good_one_of_the_client_s_is_kept() -> None:
    front = Front(application=reads_its_body)
    given = await front.ask("/v1/completions", method="POST", headers={"x-request-id": "abc-1"})
    assert given[1]["x-request-id"] == "abc-1"
    made = await front.ask("/v1/completions", method="POST", headers={"x-request-id": "a b" * 100})
    assert len(made[1]["x-request-id"]) == 32


async def test_too_many_requests_get_kaito_s_429_and_are_counted() -> None:
    front = Front(limits=Limits(slots=2), load=EngineLoad(waiting=3, unfinished=5))
    status, headers, body = await front.ask("/v1/completions", method="POST")
    assert (status, headers["retry-after"]) == (429, "1")
    assert set(body) == {"error"}
    assert body["error"] | {"message": ""} == {
        "message": "",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert front.registry.get_sample_value("kaito_ratelimit_rejected_total") == 1
    assert (await front.ask("/v1/models"))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
        "/adapters",
        "/adapters/x",
        "/under/v1/load_lora_adapter",
        "/under/under/v1/load_lora_adapter",
    ],
)
async def test_vllm_s_own_adapter_routes_are_closed(path: str) -> None:
    assert (await Front(keys=("one",)).ask(path, method="POST", key="one"))[0] == 403


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions/batch", "/v1/systemone", "/v2/embed", "/classify", "/v1/audio/transcriptions"]
)
async def test_a_flood_is_stopped_on_every_path_that_makes_the_engine_compute(path: str) -> None:
    front = Front(limits=Limits(slots=2), load=EngineLoad(waiting=3, unfinished=5))
    assert (await front.ask(path, method="POST"))[0] == 429


@pytest.mark.parametrize("path", ["/v1/completions", "/under/v1/completions", "/under/under/v1/completions"])
async def test_the_root_path_leads_past_no_limit(path: str) -> None:
    full = Front(limits=Limits(slots=2), load=EngineLoad(waiting=3, unfinished=5))
    assert (await full.ask(path, method="POST"))[0] == 429
    assert (await Front().ask(path, method="POST"))[2]["path"] == "/v1/completions"


async def test_a_deadline_before_the_first_byte_is_504_and_frees_the_engine() -> None:
    front = Front(application=waits_for_the_client_to_leave)
    status, _, body = await front.ask("/v1/completions", method="POST", headers={"x-request-timeout": "0.001"})
    assert (status, body["error"]["code"]) == (504, "request_timeout")
    assert front.gate.in_flight.count == 0


async def test_a_client_can_shorten_the_server_s_deadline_but_not_lengthen_it() -> None:
    front = Front(application=waits_for_the_client_to_leave, seconds=0.001)
    assert (await front.ask("/v1/completions", method="POST", headers={"x-request-timeout": "1000"}))[0] == 504


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "soon"])
async def test_a_deadline_that_is_no_number_of_seconds_is_refused(given: str) -> None:
    assert (await Front().ask("/v1/completions", method="POST", headers={"x-request-timeout": given}))[0] == 400


async def turns() -> None:
    """Let everybody go on as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Client:
    """A client whose request is under way: what it was sent so far, and how much of its body nobody has read.

    It sends its body while `sends` is set, as it is at first.
    """

    def __init__(
        self,
        gate: Gate,
        path: str = "/v1/completions",
        body: Sequence[bytes] = (b'{"model":"phi"}',),
    ) -> None:
        self.sent: list[asgi.Message] = []
        self.gone = asyncio.Event()
        self.sends = asyncio.Event()
        self.sends.set()
        self._body = list(body)
        scope = {**asgi.own_scope("127.0.0.1", 5000), "method": "POST", "path": path}
        self.task = asyncio.create_task(gate(scope, self.receive, self.send))

    @property
    def unread(self) -> int:
        return len(self._body)

    async def receive(self) -> asgi.Message:
        await self.sends.wait()
        if self._body:
            return {"type": "http.request", "body": self._body.pop(0), "more_body": bool(self._body)}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: asgi.Message) -> None:
        self.sent.append(message)


async def test_a_request_whose_body_is_still_coming_when_the_server_closes_is_awaited_and_answered() -> None:
    front = Front(application=reads_its_body)
    client = Client(front.gate)
    client.sends.clear()
    await turns()
    assert (front.gate.in_flight.count, front.gate.in_flight.pending) == (1, 0)
    front.board.enter("draining")
    front.gate.closed = True
    drained = asyncio.create_task(front.gate.in_flight.wait_for_none())
    await turns()
    assert not drained.done()
    client.sends.set()
    await client.task
    await asyncio.wait_for(drained, 1)
    assert client.sent[0]["status"] == 200


async def test_a_request_that_comes_after_the_server_closed_is_refused_when_its_body_has_come() -> None:
    front = Front(application=reads_its_body)
    front.board.enter("draining")
    front.gate.closed = True
    client = Client(front.gate, body=[b"x" * 600] * 3)
    client.sends.clear()
    await turns()
    assert (front.gate.in_flight.count, client.sent) == (1, [])
    client.sends.set()
    await client.task
    assert (client.sent[0]["status"], client.unread) == (503, 0)  # a client that is still sending reads no answer
    assert (b"retry-after", b"5") in client.sent[0]["headers"]


async def test_a_request_that_is_cut_while_its_body_is_coming_is_told_so_at_once() -> None:
    front = Front(application=reads_its_body)
    client = Client(front.gate)
    client.sends.clear()
    await turns()
    assert front.gate.in_flight.cut_all(refused(503, "shutting_down", "The server ends.")) == 1
    await asyncio.wait_for(client.task, CUT_SECONDS / 2)
    assert (client.sent[0]["status"], front.gate.in_flight.count) == (503, 0)
    assert b'"shutting_down"' in client.sent[1]["body"]


@pytest.mark.parametrize("body", [[], [b"x" * 1001]])
async def test_a_request_whose_body_never_comes_or_is_refused_is_no_longer_in_flight(body: list[bytes]) -> None:
    front = Front(application=reads_its_body)
    client = Client(front.gate, body=body)
    client.gone.set()
    await client.task
    assert front.gate.in_flight.count == 0


async def test_a_stream_that_is_cut_ends_with_an_error_event() -> None:
    front = Front(application=streams_until_the_client_leaves)
    client = Client(front.gate)
    await turns()
    front.gate.in_flight.cut_all(refused(503, "EngineDied", "The engine ended."))
    await client.task
    assert b'"code": "EngineDied"' in client.sent[-1]["body"]
    assert client.sent[-1]["body"].endswith(b"data: [DONE]\n\n")
    assert not client.sent[-1].get("more_body")
    assert not any(message.get("body") == b"dropped" for message in client.sent)


async def test_a_request_whose_application_hears_nothing_is_cut_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaito.runtime.front.flight.CUT_SECONDS", 0.001)

    async def deaf(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asyncio.get_running_loop().create_future()

    front = Front(application=deaf)
    client = Client(front.gate)
    await turns()
    assert front.gate.in_flight.cut_all(refused(503, "EngineDied", "The engine ended.")) == 1
    await client.task
    assert client.sent[0]["status"] == 503


async def test_a_client_that_leaves_frees_its_place() -> None:
    front = Front(application=waits_for_the_client_to_leave)
    client = Client(front.gate)
    await turns()
    assert front.gate.in_flight.by_model == {"phi": 1}
    client.gone.set()
    await client.task
    assert (front.gate.in_flight.count, dict(front.gate.in_flight.by_model)) == (0, {})


@pytest.mark.parametrize(("code", "status"), [(503, 503), (429, 429), (400, 400)])
async def test_an_error_that_is_a_stream_s_first_event_is_its_status(code: int, status: int) -> None:
    async def overloaded(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        event = json.dumps({"error": {"message": "busy", "type": "x", "param": None, "code": code}})
        await send({"type": "http.response.body", "body": f"data: {event}\n\n".encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    answered, headers, body = await Front(application=overloaded).ask("/v1/completions", method="POST")
    assert (answered, body["error"]["message"]) == (status, "busy")
    assert ("retry-after" in headers) == (status != 400)


async def test_a_websocket_needs_a_key_too() -> None:
    front = Front(keys=("one",))
    sent: list[asgi.Message] = []

    async def receive() -> asgi.Message:
        return {"type": "websocket.connect"}

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    await front.gate({"type": "websocket", "path": "/v1/realtime", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_the_log_has_the_model_and_the_time_and_not_the_prompt(
    capfd: pytest.CaptureFixture[str],
) -> None:
    front = Front(application=reads_its_body)
    await front.ask("/v1/completions", method="POST", body=b'{"model":"phi","prompt":"a secret"}')
    [line] = capfd.readouterr().err.splitlines()
    said = json.loads(line)
    assert "secret" not in line
    assert (said["event"], said["model"], said["status"], said["path"]) == ("request", "phi", 200, "/v1/completions")


async def test_an_application_s_own_refusal_says_when_to_come_again() -> None:
    async def overloaded(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.send_json(send, 503, {"error": "busy"})

    assert (await Front(application=overloaded).ask("/v1/completions", method="POST"))[1]["retry-after"] == "1"
