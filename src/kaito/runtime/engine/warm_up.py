"""The first requests, made by the server itself: ready means that the model and each adapter have answered once.

Not cosmetic: some settings (a head size that a CPU kernel lacks) pass every check at start and kill the engine at the
first request.
"""

from kaito.runtime.chat import Server
from kaito.runtime.engine.causes import first_sentences
from kaito.runtime.failure import FatalError
from kaito.runtime.front import asgi

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


async def warm_up(application: asgi.Application, scope: asgi.Scope, models: list[str], server: Server) -> None:
    """Ask each model for one token, as clients will. Raises WarmUpFailed."""
    for model in models:
        body = {"model": model, "prompt": _PROMPT, "max_tokens": 1, "temperature": 0}
        path = "/v1/completions"
        if server.chat_template:
            path = "/v1/chat/completions"
            body = {
                "model": model,
                "messages": [{"role": "user", "content": _PROMPT}],
                "max_tokens": 1,
                "temperature": 0,
            }
        answer = await asgi.ask(application, scope, "POST", path, body)
        if answer.status != 200:
            raise _failed(
                f"The model {model} answered its first request with {answer.status}: {bytes(answer.body[:300])!r}"
            )


def _failed(message: str) -> FatalError:
    return FatalError(
        "WarmUpFailed",
        first_sentences(message),
        remedy="The lines of the log before this one have the engine's own account.",
    )
