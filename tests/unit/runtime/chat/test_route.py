import json
from typing import Any

import pytest

from kaito.runtime.chat import ChatRoute, Server
from kaito.runtime.front import asgi


class FakeVllm:
    """Answers as vLLM's application does, and remembers what it was asked."""

    def __init__(self, status: int = 200, answer: dict[str, Any] | None = None) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._status = status
        self._answer = answer or {"choices": [{"index": 0, "message": {"content": "Hello."}}]}

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        body = json.loads(await asgi.read_body(receive))
        self.asked.append((scope["path"], body))
        if scope["path"] == "/tokenize":
            await asgi.send_json(send, 200, {"count": 40, "max_model_len": 4096})
        else:
            await asgi.send_json(send, self._status, self._answer)


async def post(vllm: FakeVllm, body: Any, *, method: str = "POST") -> tuple[int, Any]:
    route = ChatRoute(vllm, Server(chat_template=True, context=4096), lambda: "ws")
    scope = {**asgi.own_scope("127.0.0.1", 5000), "path": "/chat"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent: list[asgi.Message] = []

    async def receive() -> asgi.Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    await route({**scope, "method": method}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


async def test_the_page_s_request_is_answered_by_the_workspace() -> None:
    vllm = FakeVllm()
    assert await post(vllm, {"prompt": "YOUR QUESTION HERE"}) == (200, {"Result": "Hello."})
    [(path, body)] = vllm.asked
    assert (path, body["model"]) == ("/v1/chat/completions", "ws")


async def test_a_request_can_name_an_adapter() -> None:
    vllm = FakeVllm()
    await post(vllm, {"prompt": "x", "model": "pirate"})
    assert vllm.asked[0][1]["model"] == "pirate"


async def test_max_length_is_counted_by_the_model_s_own_tokenizer() -> None:
    vllm = FakeVllm()
    await post(vllm, {"prompt": "x", "max_length": 100})
    assert [path for path, _ in vllm.asked] == ["/tokenize", "/v1/chat/completions"]
    assert vllm.asked[1][1]["max_tokens"] == 60


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{bad", 422, "json_invalid"),
        (b"\xff", 422, "json_invalid"),
        (b"[" * 100_000, 422, "json_invalid"),
        ([1], 422, "model_type"),
        ({"prompt": 5}, 422, "string_type"),
        ({"prompt": "x", "tempratur": 1}, 422, "extra_forbidden"),
        ({"prompt": "x", "top_p": 2}, 422, "less_than_equal"),
    ],
)
async def test_a_body_that_is_none_is_refused_as_fastapi_does(body: Any, status: int, detail: str) -> None:
    vllm = FakeVllm()
    answered, content = await post(vllm, body)
    assert (answered, content["detail"][0]["type"], vllm.asked) == (status, detail, [])


async def test_a_refused_body_is_not_repeated_in_the_answer() -> None:
    _, content = await post(FakeVllm(), {"prompt": ["secret words"]})
    assert "secret" not in json.dumps(content)


async def test_what_vllm_refuses_is_refused_with_its_status_and_words() -> None:
    vllm = FakeVllm(404, {"error": {"message": "The model `x` does not exist."}})
    assert await post(vllm, {"prompt": "x", "model": "x"}) == (404, {"detail": "The model `x` does not exist."})


async def test_only_post_is_answered() -> None:
    assert (await post(FakeVllm(), {}, method="GET"))[0] == 405
