import json
from typing import Any

import pytest

from kaito.runtime.chat import Server
from kaito.runtime.engine.warm_up import least, look_at, warm_up
from kaito.runtime.failure import FatalError
from kaito.runtime.front import asgi

GENERATES = ("/v1/chat/completions", "/v1/completions")
SCOPE = asgi.own_scope("127.0.0.1", 5000)


class FakeVllm:
    """vLLM's application with or without a chat template, whose engine may die at the first request."""

    def __init__(self, *, template: bool = True, status: int = 200, paths: tuple[str, ...] = GENERATES) -> None:
        self._paths = paths
        self._template = template
        self._status = status
        self.asked: list[tuple[str, Any]] = []

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        body = json.loads(await asgi.read_body(receive))
        self.asked.append((scope["path"], body))
        if scope["path"] == "/tokenize":
            status = 400 if "messages" in body and not self._template else 200
            await asgi.send_json(send, status, {"count": 1, "max_model_len": 2048})
        else:
            known = body["model"] != "gone" and scope["path"] in self._paths
            await asgi.send_json(send, self._status if known else 404, {})


@pytest.mark.parametrize("template", [True, False])
async def test_the_server_finds_out_template_and_context_by_asking(template: bool) -> None:
    assert await look_at(FakeVllm(template=template), SCOPE, "phi") == Server(chat_template=template, context=2048)


@pytest.mark.parametrize(("template", "path"), [(True, "/v1/chat/completions"), (False, "/v1/completions")])
async def test_every_model_answers_once_before_ready(template: bool, path: str) -> None:
    vllm = FakeVllm()
    await warm_up(vllm, SCOPE, "phi", ["pirate"], tasks=["generate"], chat=template)
    assert [(asked, body["model"]) for asked, body in vllm.asked] == [(path, "phi"), (path, "pirate")]


async def test_an_engine_that_dies_at_its_first_request_is_never_ready() -> None:
    with pytest.raises(FatalError, match="phi answered its first request with 500") as caught:
        await warm_up(FakeVllm(status=500), SCOPE, "phi", [], tasks=["generate"], chat=True)
    assert caught.value.reason == "WarmUpFailed"


async def test_an_adapter_that_went_meanwhile_keeps_nobody_from_being_ready() -> None:
    vllm = FakeVllm()
    await warm_up(vllm, SCOPE, "phi", ["gone", "pirate"], tasks=["generate"], chat=True)
    assert [body["model"] for _, body in vllm.asked] == ["phi", "gone", "pirate"]


@pytest.mark.parametrize("tasks", [("embed",), ("token_embed", "embed"), ("classify",)])
async def test_a_model_that_generates_nothing_is_asked_what_it_can_do(tasks: tuple[str, ...]) -> None:
    vllm = FakeVllm(paths=("/pooling", "/v1/embeddings"))
    await warm_up(vllm, SCOPE, "phi", ["pirate"], tasks=tasks, chat=False)
    assert vllm.asked == [("/pooling", {"model": model, "input": "Hello"}) for model in ("phi", "pirate")]


@pytest.mark.parametrize("tasks", [(), ("transcription",), ("embed", "plugin"), ("embed", "embed&token_classify")])
async def test_a_model_of_another_kind_is_ready_unasked(tasks: tuple[str, ...]) -> None:
    vllm = FakeVllm(paths=())
    await warm_up(vllm, SCOPE, "phi", ["pirate"], tasks=tasks, chat=True)
    assert (vllm.asked, least("phi", tasks)) == ([], None)


def test_the_least_of_a_model_that_chats_is_one_token_with_and_without_its_template() -> None:
    plain, chat = least("phi", ("generate", "embed")), least("phi", ("generate",), chat=True)
    assert plain == ("/v1/completions", {"model": "phi", "max_tokens": 1, "temperature": 0, "prompt": "Hello"})
    assert chat is not None
    assert (chat[0], chat[1]["messages"]) == ("/v1/chat/completions", [{"role": "user", "content": "Hello"}])
