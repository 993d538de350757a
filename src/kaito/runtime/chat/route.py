"""`POST /chat` on the serving port, answered by vLLM's own routes in this process."""

import json
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from kaito.runtime.chat.request import ChatRequest
from kaito.runtime.chat.stream import Pieces
from kaito.runtime.chat.translate import (
    ChatError,
    Question,
    Server,
    chat_answer,
    needs_prompt_length,
    openai_body,
    question,
)
from kaito.runtime.front import asgi


class ChatRoute:
    """Answers `/chat`. `model` names whom a request asks that names nobody: the Workspace."""

    def __init__(self, application: asgi.Application, server: Server, model: Callable[[], str]) -> None:
        self._application = application
        self._server = server
        self._model = model

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request: 200 {"Result": …}, or a `detail` with 400, 404, 422, or what vLLM said."""
        if scope["method"] != "POST":
            await asgi.send_json(send, 405, {"detail": "Method Not Allowed"}, {"Allow": "POST"})
            return
        try:
            request = _parse(await asgi.read_body(receive))
            if request.stream:
                await self._stream(request, scope, receive, send)
                return
            answer = await self._answer(request, scope, receive)
        except asgi.ClientGoneError:
            return
        except ChatError as error:
            await asgi.send_json(send, error.status, {"detail": error.detail})
        else:
            await asgi.send_json(send, 200, answer)

    async def _answer(self, request: ChatRequest, scope: asgi.Scope, receive: asgi.Receive) -> Any:
        path, body = await self._translated(request, scope)
        answer = await asgi.ask(self._application, scope, "POST", path, body, receive=receive)
        return chat_answer(request, _content(answer))

    async def _stream(self, request: ChatRequest, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer in pieces: an event `{"Result": …}` for each. Raises ChatError where vLLM does not begin to answer."""
        path, body = await self._translated(request, scope)
        pieces = Pieces(send, before=(request.prompt or "") if request.return_full_text else "")
        whole = {**body, "stream": True}
        await asgi.pass_on(self._application, scope, "POST", path, whole, receive=receive, send=pieces.take)
        if not pieces.begun:
            _content(pieces.refusal)

    async def _translated(self, request: ChatRequest, scope: asgi.Scope) -> tuple[str, dict[str, Any]]:
        """Return vLLM's route for a request, and the body for it."""
        model = request.model or self._model()
        asked = question(request, self._server)
        counted = await self._count(asked, model, scope) if needs_prompt_length(request) else None
        return asked.path, openai_body(request, asked, self._server, model=model, prompt_tokens=counted)

    async def _count(self, asked: Question, model: str, scope: asgi.Scope) -> int:
        answer = await asgi.ask(self._application, scope, "POST", "/tokenize", {"model": model, **asked.body()})
        return int(_content(answer)["count"])


def _content(answer: asgi.Answer) -> Any:
    """Return the content of a good answer. Raises ChatError with vLLM's status and message for any other."""
    content = answer.json()
    if answer.status == 200 and isinstance(content, dict):
        return content
    error = content.get("error") if isinstance(content, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    raise ChatError(answer.status if answer.status >= 400 else 500, message or "The model gave no answer.")


def _parse(body: bytes) -> ChatRequest:
    """Read a body. Raises ChatError 422 with FastAPI's `detail` list, as upstream's server answers."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        detail = [{"type": "json_invalid", "loc": ["body"], "msg": f"JSON decode error: {error}"}]
        raise ChatError(422, detail) from None
    try:
        return ChatRequest.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise ChatError(422, [{**problem, "loc": ["body", *problem["loc"]]} for problem in problems]) from None
