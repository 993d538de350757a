"""From `/chat` to vLLM's own routes and back. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from kaito.contracts import ChatAnswer
from kaito.runtime.chat.request import ChatRequest

MAX_NEW_TOKENS = 512
"""Tokens of an answer when nothing is asked. KAITO's 200 counted the prompt too and cut answers in mid-sentence."""

SAMPLING: Mapping[str, Any] = MappingProxyType({"temperature": 1.0, "top_k": 10, "top_p": 1.0})
"""KAITO's own defaults, v0.1 to v0.8."""

_UNSUPPORTED: Mapping[str, Any] = MappingProxyType(
    {
        "num_beams": 1,
        "num_beam_groups": 1,
        "diversity_penalty": 0.0,
        "typical_p": 1.0,
        "no_repeat_ngram_size": 0,
        "encoder_no_repeat_ngram_size": 0,
        "bad_words_ids": [],
        "forced_bos_token_id": None,
        "forced_eos_token_id": None,
    }
)
"""Options vLLM's server does not have, with the value at which they do nothing."""


class ChatError(Exception):
    """A request that cannot be answered as asked: HTTP status and the `detail` of the answer."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class Server:
    """What the translation must know of the server: whether it has a chat template, and its context in tokens."""

    chat_template: bool
    context: int


@dataclass(frozen=True)
class Question:
    """What is asked, in the form that vLLM takes it: `messages` for its chat route, else `prompt` for completions."""

    messages: tuple[dict[str, str], ...] = ()
    prompt: str = ""

    @property
    def path(self) -> str:
        """The route that answers it."""
        return "/v1/chat/completions" if self.messages else "/v1/completions"

    def body(self) -> dict[str, Any]:
        """Return the part of a request that carries it, for both that route and `/tokenize`."""
        return {"messages": list(self.messages)} if self.messages else {"prompt": self.prompt}


def question(request: ChatRequest, server: Server) -> Question:
    """Decide how the model is asked.

    A prompt goes through the model's chat template as one user message: instruction-tuned models answer that, and only
    continue bare text. A model without a template gets the bare text. Raises ChatError 400 with KAITO's own words when
    neither prompt nor messages are there.
    """
    if request.messages:
        if not server.chat_template:
            raise ChatError(400, "This model has no chat template: send a prompt instead of messages.")
        return Question(messages=tuple({"role": turn.role, "content": turn.content} for turn in request.messages))
    if not request.prompt:
        raise ChatError(400, "Text generation parameter prompt required")
    text = (request.prefix or "") + request.prompt
    if server.chat_template:
        return Question(messages=({"role": "user", "content": text},))
    return Question(prompt=text)


def asked_by_default(workspace: str, names: Sequence[str], base: str, adapters: Sequence[str]) -> str:
    """Return who answers a request that names no model: the Workspace, or the base model where there is none to add.

    `names` are the names that stand for the Workspace's model as a whole. Raises ChatError 400 when several adapters
    are served: which one is meant is the client's to say.
    """
    if workspace in names:
        return workspace
    if len(adapters) > 1:
        raise ChatError(400, f"Several adapters are served; name one as `model`: {', '.join((base, *adapters))}.")
    return adapters[0] if adapters else base


def needs_prompt_length(request: ChatRequest) -> bool:
    """Say whether the prompt must be counted: an option that counts it is given, and none that wins over it."""
    longest = request.option("max_length") is not None and request.option("max_new_tokens") is None
    shortest = bool(request.option("min_length")) and request.option("min_new_tokens") is None
    return longest or shortest


def openai_body(
    request: ChatRequest, asked: Question, server: Server, *, model: str, prompt_tokens: int | None
) -> dict[str, Any]:
    """Return the body for vLLM's route. `prompt_tokens` is needed where `needs_prompt_length` says so."""
    for name, neutral in _UNSUPPORTED.items():
        if request.option(name) not in (None, neutral):
            raise ChatError(400, f"{name} is not supported by this server; leave it out or give {neutral!r}.")
    counted = prompt_tokens or 0
    body: dict[str, Any] = {"model": model, **asked.body(), "max_tokens": _most_new_tokens(request, server, counted)}
    least = request.option("min_new_tokens")
    if least is None:
        least = max(0, (request.option("min_length") or 0) - counted)
    if least:
        body["min_tokens"] = min(least, body["max_tokens"])
    body |= _sampling(request)
    for name, theirs in (("repetition_penalty", "repetition_penalty"), ("seed", "seed"), ("stop", "stop")):
        if (value := request.option(name)) is not None:
            body[theirs] = value
    if (ends := request.option("eos_token_id")) is not None:
        body["stop_token_ids"] = ends if isinstance(ends, list) else [ends]
    if request.stream and (request.option("num_return_sequences") or 1) > 1:
        raise ChatError(400, "num_return_sequences is not supported with stream; leave one of them out.")
    if count := request.option("num_return_sequences"):
        body["n"] = count
    return body


def chat_answer(request: ChatRequest, completion: Mapping[str, Any]) -> ChatAnswer:
    """Return KAITO's answer for vLLM's: the sequences one after the other, each after the prompt if asked for."""
    before = (request.prompt or "") if request.return_full_text else ""
    return ChatAnswer(Result="".join(before + text for text in _texts(completion["choices"])))


def _texts(choices: Sequence[Mapping[str, Any]]) -> list[str]:
    ordered = sorted(choices, key=lambda choice: choice["index"])
    # A continuation of bare text starts with the space that belongs between the two; an answer does not.
    return [choice["message"].get("content") or "" if "message" in choice else choice["text"] for choice in ordered]


def _most_new_tokens(request: ChatRequest, server: Server, prompt_tokens: int) -> int:
    most = request.option("max_new_tokens")
    if most is None:
        length = request.option("max_length")
        most = MAX_NEW_TOKENS if length is None else max(1, length - prompt_tokens)
    return int(min(most, max(1, server.context - prompt_tokens)))


def _sampling(request: ChatRequest) -> dict[str, Any]:
    """Return the sampling options: greedy when `do_sample` is false or the temperature 0, else KAITO's defaults."""
    if request.option("do_sample") is False or request.option("temperature") == 0:
        return {"temperature": 0.0}
    chosen = {name: default if (given := request.option(name)) is None else given for name, default in SAMPLING.items()}
    if chosen["top_k"] < 1:
        chosen["top_k"] = -1  # vLLM's word for "no limit"; Hugging Face's is 0
    return chosen
