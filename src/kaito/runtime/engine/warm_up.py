"""The first requests, made by the server itself: ready means that the model and each adapter have answered once.

Not cosmetic: some settings (a head size that a CPU kernel lacks) pass every check at start and kill the engine at the
first request.
"""

from collections.abc import Sequence
from typing import Any

import structlog

from kaito.runtime.chat import Server
from kaito.runtime.engine.causes import first_sentences
from kaito.runtime.failure import FatalError
from kaito.runtime.front import asgi

_log = structlog.get_logger("kaito.runtime")

_PROMPT = "Hello"


async def look_at(application: asgi.Application, scope: asgi.Scope, model: str) -> Server:
    """Return what `/chat` must know of the model: whether it has a chat template, and how long its context is."""
    bare = await asgi.ask(application, scope, "POST", "/tokenize", {"model": model, "prompt": _PROMPT})
    content = bare.json()
    if bare.status != 200 or not isinstance(content, dict):
        raise _failed(f"The tokenizer answered {bare.status}: {bytes(bare.body[:300])!r}")
    messages = [{"role": "user", "content": _PROMPT}]
    chat = await asgi.ask(application, scope, "POST", "/tokenize", {"model": model, "messages": messages})
    return Server(chat_template=chat.status == 200, context=int(content["max_model_len"]))


async def warm_up(
    application: asgi.Application, scope: asgi.Scope, base: str, adapters: Sequence[str], server: Server
) -> None:
    """Ask each model for one token, as clients will. Raises WarmUpFailed for the base model; no adapter stops it."""
    if refused := await _ask(application, scope, base, server):
        raise _failed(refused)
    for adapter in adapters:
        if refused := await _ask(application, scope, adapter, server):
            _log.warning("an adapter did not answer its first request", name=adapter, why=first_sentences(refused))


async def _ask(application: asgi.Application, scope: asgi.Scope, model: str, server: Server) -> str:
    """Ask for one token; return what went wrong, empty when nothing did."""
    body: dict[str, Any] = {"model": model, "max_tokens": 1, "temperature": 0}
    if server.chat_template:
        path, body["messages"] = "/v1/chat/completions", [{"role": "user", "content": _PROMPT}]
    else:
        path, body["prompt"] = "/v1/completions", _PROMPT
    answer = await asgi.ask(application, scope, "POST", path, body)
    if answer.status == 200:
        return ""
    return f"The model {model} answered its first request with {answer.status}: {bytes(answer.body[:300])!r}"


def _failed(message: str) -> FatalError:
    return FatalError(
        "WarmUpFailed",
        first_sentences(message),
        remedy="The lines of the log before this one have the engine's own account.",
    )
