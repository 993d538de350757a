import asyncio
import json
from typing import Any

import pytest

from kaito.contracts import WeightsStatus
from kaito.runtime.front import Gate, asgi
from kaito.runtime.status import ServerState, StatusBoard

ABOUT = {"kind": "stand-in", "preset": "phi-3"}


async def vllm(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    if scope["path"] == "/v1/models":
        await asgi.send_json(send, 200, {"object": "list", "data": [{"id": "phi", "owned_by": "vllm", "root": "/w"}]})
    else:
        await asgi.send_json(send, 200, {"from": "vllm", "path": scope["path"]})


class Front:
    """A gate with a ready server behind it."""

    def __init__(self, *, keys: tuple[str, ...] = (), application: asgi.Application = vllm) -> None:
        weights = WeightsStatus(kind="stand-in", source="/w", loadedBytes=1, totalBytes=1)
        self.board = StatusBoard(ServerState(model="phi", weights=weights, entered=0.0, stage="ready"), lambda: 1.0)
        self.engine_lives = True

        async def healthy() -> bool:
            return self.engine_lives

        async def chat(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
            await asgi.send_json(send, 200, {"Result": "x"})

        routes = {"/chat": chat}
        self.gate = Gate(
            application, self.board, healthy=healthy, routes=routes, about=ABOUT, api_keys=keys, clock=lambda: 1.0
        )

    async def ask(self, path: str, *, method: str = "GET", key: str = "") -> tuple[int, dict[str, str], Any]:
        scope = {**asgi.own_scope("127.0.0.1", 5000), "method": method, "path": path}
        if key:
            scope["headers"].append((b"authorization", f"Bearer {key}".encode()))
        sent: list[asgi.Message] = []

        async def receive() -> asgi.Message:
            return {"type": "http.request", "body": b"", "more_body": False}

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


async def test_a_draining_server_is_alive_not_ready_and_takes_nothing_new() -> None:
    front = Front()
    front.board.enter("draining")
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


@pytest.mark.parametrize("path", ["/chat", "/v1/models", "/invocations", "/tokenize", "/openapi.json"])
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
