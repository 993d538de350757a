"""The first requests, made by the server itself: ready means that the model and each adapter have answered once.

Not cosmetic: some settings (a head size that a CPU kernel lacks) pass every check at start and kill the engine at the
first request.
"""

from collections.abc import Collection, Sequence
from typing import Any

import structlog

from kaito.runtime.chat import Server
from kaito.runtime.engine.causes import first_sentences
from kaito.runtime.failure import FatalError
from kaito.runtime.front import asgi

_log = structlog.get_logger("kaito.runtime")

_PROMPT = "Hello"
_POOLS = frozenset({"embed", "classify", "token_embed", "token_classify"})
"""vLLM's tasks of models that take one text and answer no text. Its others want audio, or what a plugin makes of it."""


async def look_at(application: asgi.Application, scope: asgi.Scope, model: str) -> Server:
    """Return what `/chat` must know of the model: whether it has a chat template, and how long its context is."""
    bare = await asgi.ask(application, scope, "POST", "/tokenize", {"model": model, "prompt": _PROMPT})
    content = bare.json()
    if bare.status != 200 or not isinstance(content, dict):
        raise _failed(f"The tokenizer answered {bare.status}: {bytes(bare.body[:300])!r}")
    messages = [{"role": "user", "content": _PROMPT}]
    chat = await asgi.ask(application, scope, "POST", "/tokenize", {"model": model, "messages": messages})
    return Server(chat_template=chat.status == 200, context=int(content["max_model_len"]))


def least(model: str, tasks: Collection[str], *, chat: bool = False) -> tuple[str, dict[str, Any]] | None:
    """Return path and body of the least that a model can be asked, None where vLLM's `tasks` tell of nothing.

    One token of a model that generates, with `chat` through its chat template; one text for a model that pools.
    """
    if "generate" in tasks:
        body: dict[str, Any] = {"model": model, "max_tokens": 1, "temperature": 0}
        if chat:
            return "/v1/chat/completions", {**body, "messages": [{"role": "user", "content": _PROMPT}]}
        return "/v1/completions", {**body, "prompt": _PROMPT}
    if tasks and _POOLS.issuperset(tasks):
        return "/pooling", {"model": model, "input": _PROMPT}
    return None


async def warm_up(
    application: asgi.Application,
    scope: asgi.Scope,
    base: str,
    adapters: Sequence[str],
    *,
    tasks: Collection[str],
    chat: bool,
) -> None:
    """Ask each model for the least, as clients will. Raises WarmUpFailed for the base model; no adapter stops it."""
    if refused := await _ask(application, scope, base, least(base, tasks, chat=chat)):
        raise _failed(refused)
    for adapter in adapters:
        if refused := await _ask(application, scope, adapter, least(adapter, tasks, chat=chat)):
            _log.warning("an adapter did not answer its first request", name=adapter, why=first_sentences(refused))


async def _ask(
    application: asgi.Application, scope: asgi.Scope, model: str, request: tuple[str, dict[str, Any]] | None
) -> str:
    """Send a model's first request; return what went wrong, empty when nothing did."""
    if request is None:
        return ""
    answer = await asgi.ask(application, scope, "POST", *request)
    if answer.status == 200:
        return ""
    return f"The model {model} answered its first request with {answer.status}: {bytes(answer.body[:300])!r}"


def _failed(message: str) -> FatalError:
    return FatalError(
        "WarmUpFailed",
        first_sentences(message),
        remedy="The lines of the log before this one have the engine's own account.",
    )
