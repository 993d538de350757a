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


class StreamingVllm:
    """Streams as vLLM does, cut into parts at places that have nothing to do with the events."""

    def __init__(self, *events: Any, cut: int = 1000) -> None:
        lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
        whole = "".join(f"data: {line}\n\n" for line in lines).encode()
        self._parts = [whole[begin : begin + cut] for begin in range(0, len(whole), cut)]
        self.asked: dict[str, Any] = {}

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        self.asked = json.loads(await asgi.read_body(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def stream(vllm: asgi.Application, body: dict[str, Any]) -> tuple[int, bytes]:
    route = ChatRoute(vllm, Server(chat_template=True, context=4096), lambda: "ws")
    sent: list[asgi.Message] = []

    async def receive() -> asgi.Message:
        return {"type": "http.request", "body": json.dumps({**body, "stream": True}).encode(), "more_body": False}

    async def send(message: asgi.Message) -> None:
        sent.append(message)

    await route({**asgi.own_scope("127.0.0.1", 5000), "path": "/chat", "method": "POST"}, receive, send)
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


def delta(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


@pytest.mark.parametrize("cut", [1, 7, 1000])
async def test_a_streamed_answer_comes_in_pieces_as_events(cut: int) -> None:
    vllm = StreamingVllm(delta(""), delta("Hel"), delta("lö."), "[DONE]", cut=cut)
    status, text = await stream(vllm, {"prompt": "x"})
    assert (status, vllm.asked["stream"]) == (200, True)
    assert text.decode() == 'data: {"Result": "Hel"}\n\ndata: {"Result": "lö."}\n\ndata: [DONE]\n\n'


async def test_a_streamed_answer_begins_with_the_prompt_where_the_full_text_is_asked() -> None:
    _, text = await stream(StreamingVllm(delta("a"), "[DONE]"), {"prompt": "x", "return_full_text": True})
    assert text.startswith(b'data: {"Result": "xa"}')


async def test_a_stream_that_does_not_begin_is_refused_as_any_request() -> None:
    overloaded = StreamingVllm({"error": {"message": "busy", "code": 503}}, "[DONE]")
    status, text = await stream(overloaded, {"prompt": "x"})
    assert (status, json.loads(text)) == (503, {"detail": "busy"})
    unknown = FakeVllm(404, {"error": {"message": "The model `x` does not exist."}})
    status, text = await stream(unknown, {"prompt": "x", "model": "x"})
    assert (status, json.loads(text)) == (404, {"detail": "The model `x` does not exist."})


async def test_several_sequences_cannot_be_streamed() -> None:
    assert (await stream(FakeVllm(), {"prompt": "x", "num_return_sequences": 2}))[0] == 400


async def test_an_error_in_the_middle_of_a_stream_is_passed_on() -> None:
    _, text = await stream(
        StreamingVllm(delta("a"), {"error": {"message": "lost", "code": 500}}, "[DONE]"), {"prompt": "x"}
    )
    assert b'"lost"' in text
