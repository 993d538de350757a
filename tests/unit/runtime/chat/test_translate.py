from typing import Any

import pytest

from kaito.runtime.chat import ChatError, ChatRequest, Server
from kaito.runtime.chat.translate import (
    MAX_NEW_TOKENS,
    asked_by_default,
    chat_answer,
    needs_prompt_length,
    openai_body,
    question,
)

INSTRUCT = Server(chat_template=True, context=4096)
BASE = Server(chat_template=False, context=4096)


def body(request: dict[str, Any], *, server: Server = INSTRUCT, counted: int | None = None) -> dict[str, Any]:
    parsed = ChatRequest.model_validate(request)
    return openai_body(parsed, question(parsed, server), server, model="phi", prompt_tokens=counted)


def test_the_page_s_request_becomes_one_user_message() -> None:
    asked = question(ChatRequest(prompt="YOUR QUESTION HERE"), INSTRUCT)
    assert asked.path == "/v1/chat/completions"
    assert asked.body() == {"messages": [{"role": "user", "content": "YOUR QUESTION HERE"}]}


def test_a_model_without_a_template_continues_the_bare_text() -> None:
    asked = question(ChatRequest(prompt="Once", prefix="Story: "), BASE)
    assert (asked.path, asked.body()) == ("/v1/completions", {"prompt": "Story: Once"})


@pytest.mark.parametrize(
    "request_body", [{}, {"prompt": ""}, {"messages": []}, {"messages": [], "generate_kwargs": {}}]
)
def test_neither_prompt_nor_messages_is_refused_in_kaito_s_words(request_body: dict[str, Any]) -> None:
    with pytest.raises(ChatError, match="Text generation parameter prompt required") as caught:
        question(ChatRequest.model_validate(request_body), INSTRUCT)
    assert caught.value.status == 400


def test_messages_need_a_template() -> None:
    with pytest.raises(ChatError, match="no chat template"):
        question(ChatRequest.model_validate({"messages": [{"role": "user", "content": "x"}]}), BASE)


def test_defaults_are_kaito_s_sampling_and_whole_sentences() -> None:
    assert body({"prompt": "x"}) == {
        "model": "phi",
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": MAX_NEW_TOKENS,
        "temperature": 1.0,
        "top_k": 10,
        "top_p": 1.0,
    }


@pytest.mark.parametrize(
    ("options", "sampling"),
    [
        ({"do_sample": False}, {"temperature": 0.0}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"do_sample": True, "temperature": 0.5, "top_k": 0}, {"temperature": 0.5, "top_k": -1, "top_p": 1.0}),
        ({"top_p": 0.9}, {"temperature": 1.0, "top_k": 10, "top_p": 0.9}),
    ],
)
def test_sampling_options_mean_what_they_mean_to_generate(options: dict[str, Any], sampling: dict[str, Any]) -> None:
    for request in ({"prompt": "x", **options}, {"prompt": "x", "generate_kwargs": options}):
        made = body(request)
        assert {name: made[name] for name in ("temperature", "top_k", "top_p") if name in made} == sampling


@pytest.mark.parametrize(
    ("options", "counted", "most"),
    [
        ({"max_length": 200}, 50, 150),
        ({"max_length": 200}, 500, 1),
        ({"max_length": 200, "max_new_tokens": 7}, None, 7),
        ({"max_new_tokens": 9000}, None, 4096),
        ({"max_length": 9000}, 96, 4000),
    ],
)
def test_max_length_counts_the_prompt_and_max_new_tokens_does_not(
    options: dict[str, Any], counted: int | None, most: int
) -> None:
    assert body({"prompt": "x", **options}, counted=counted)["max_tokens"] == most


@pytest.mark.parametrize(
    ("options", "counted", "least"),
    [
        ({"min_length": 60}, 50, 10),
        ({"min_length": 60}, 70, None),
        ({"min_new_tokens": 5}, None, 5),
        ({"min_length": 0}, None, None),
    ],
)
def test_min_length_counts_the_prompt_too(options: dict[str, Any], counted: int | None, least: int | None) -> None:
    assert body({"prompt": "x", **options}, counted=counted).get("min_tokens") == least


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, False),
        ({"max_length": 9}, True),
        ({"max_length": 9, "max_new_tokens": 3}, False),
        ({"min_length": 0}, False),
        ({"min_length": 2}, True),
    ],
)
def test_the_prompt_is_counted_only_where_an_option_counts_it(options: dict[str, Any], needed: bool) -> None:
    assert needs_prompt_length(ChatRequest.model_validate({"prompt": "x", **options})) is needed


def test_nested_options_win_over_flat_ones() -> None:
    assert body({"prompt": "x", "max_new_tokens": 5, "generate_kwargs": {"max_new_tokens": 6}})["max_tokens"] == 6


def test_other_options_get_vllm_s_names() -> None:
    made = body(
        {"prompt": "x", "repetition_penalty": 1.2, "num_return_sequences": 2, "eos_token_id": 5, "seed": 1, "stop": "."}
    )
    assert (made["repetition_penalty"], made["n"], made["stop_token_ids"]) == (1.2, 2, [5])
    assert (made["seed"], made["stop"]) == (1, ".")


EARLY_KAITO = {
    "prompt": "x", "max_length": 200, "min_length": 0, "do_sample": True, "early_stopping": False, "num_beams": 1,
    "num_beam_groups": 1, "diversity_penalty": 0.0, "temperature": 1.0, "top_k": 10, "top_p": 1, "typical_p": 1,
    "repetition_penalty": 1, "length_penalty": 1, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None, "num_return_sequences": 1, "output_scores": False, "return_dict_in_generate": False,
    "pad_token_id": None, "eos_token_id": None, "forced_bos_token_id": None, "forced_eos_token_id": None,
    "remove_invalid_values": None,
}  # fmt: skip


def test_the_whole_request_of_kaito_0_1_is_answered() -> None:
    assert body(EARLY_KAITO, counted=20)["max_tokens"] == 180


@pytest.mark.parametrize("name", ["num_beams", "num_beam_groups", "no_repeat_ngram_size", "typical_p"])
def test_what_vllm_cannot_do_is_refused_by_name(name: str) -> None:
    with pytest.raises(ChatError, match=f"{name} is not supported"):
        body({"prompt": "x", name: 3})


@pytest.mark.parametrize(
    ("request_body", "choices", "result"),
    [
        ({"prompt": "Hi"}, [{"index": 0, "message": {"content": "Hello."}}], "Hello."),
        ({"prompt": "Hi", "return_full_text": True}, [{"index": 0, "text": " there"}], "Hi there"),
        ({"prompt": "Hi"}, [{"index": 1, "text": "b"}, {"index": 0, "text": "a"}], "ab"),
        ({"prompt": "Hi"}, [{"index": 0, "message": {"content": None}}], ""),
    ],
)
def test_the_answer_has_kaito_s_one_key(request_body: dict[str, Any], choices: list[Any], result: str) -> None:
    assert chat_answer(ChatRequest.model_validate(request_body), {"choices": choices}) == {"Result": result}


@pytest.mark.parametrize(
    ("workspace", "names", "adapters", "asked"),
    [
        ("ws", ["phi", "ws"], [], "ws"),
        ("ws", ["phi", "ws"], ["a"], "ws"),
        ("", ["phi"], [], "phi"),
        ("", ["phi"], ["a"], "a"),
        ("ws", ["phi"], ["a"], "a"),
    ],
)
def test_a_request_without_a_model_asks_the_workspace(
    workspace: str, names: list[str], adapters: list[str], asked: str
) -> None:
    assert asked_by_default(workspace, names, "phi", adapters) == asked


def test_which_of_several_adapters_is_meant_is_the_client_s_to_say() -> None:
    with pytest.raises(ChatError, match="name one as `model`: phi, a, b"):
        asked_by_default("ws", ["phi"], "phi", ["a", "b"])
