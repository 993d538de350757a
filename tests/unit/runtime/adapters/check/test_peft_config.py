import json
import math
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check.peft_config import parse_config

GOOD: dict[str, Any] = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "bias": "none"}


def parse(**changes: Any) -> Any:
    return parse_config(json.dumps(GOOD | changes).encode())


def test_the_scale_is_alpha_by_rank_or_by_its_root() -> None:
    assert parse().scale_of("model.layers.0.q_proj") == 2
    assert parse(use_rslora=True).scale_of("q_proj") == 16 / math.sqrt(8)
    assert parse(lora_alpha=0.5).scale_of("q_proj") == 0.5 / 8


def test_patterns_match_the_end_of_a_name_from_a_dot_on_and_the_first_one_wins() -> None:
    config = parse(rank_pattern={"q_proj": 4, r"layers\.1\..*": 2, "proj": 32}, alpha_pattern={"layers.0.q_proj": 1})
    assert config.rank_of("model.layers.1.q_proj") == 4
    assert config.rank_of("model.layers.1.o_proj") == 2
    assert config.rank_of("model.layers.0.o_proj") == 8
    assert config.scale_of("model.layers.0.q_proj") == 0.25
    assert config.scale_of("model.layers.3.q_proj") == 4
    assert config.largest_rank == 32


@pytest.mark.parametrize(
    "changes",
    [
        {"target_modules": "all-linear"},
        {"target_modules": r".*\.(q|k)_proj"},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": False},
        {"use_dora": False, "modules_to_save": None, "trainable_token_indices": None, "loftq_config": {}},
        {"rank_pattern": {}, "alpha_pattern": None},
        {"task_type": "CAUSAL_LM", "peft_version": "0.21.2", "a_key_of_tomorrow": None},
        {"lora_alpha": 0},
        {"lora_alpha": -8.5},
        {"base_model_name_or_path": None},
    ],
)
def test_what_peft_writes_is_accepted(changes: dict[str, Any]) -> None:
    assert parse(**changes).rank == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({"r": value}, "gives no rank: r is") for value in (None, 0, -1, True, 8.0, "8", [8], 10**30)[:7]),
        *(({"lora_alpha": value}, "lora_alpha is") for value in (None, True, "16", [1], 10**30, -1e7)),
        *(({"target_modules": value}, "target_modules") for value in (None, [], "", 3, [1], {"a": 1})),
        ({"use_rslora": "yes"}, "use_rslora 'yes'"),
        ({"rank_pattern": [1]}, "rank_pattern"),
        ({"rank_pattern": {"q_proj": True}}, "rank_pattern of q_proj is True"),
        ({"rank_pattern": {"q_proj": 0}}, "rank_pattern of q_proj is 0"),
        ({"alpha_pattern": {"q_proj": "1"}}, "alpha_pattern of q_proj is '1'"),
        ({"rank_pattern": {"(": 1}}, "not understood"),
        ({"rank_pattern": {"(a+)+b": 1}}, "not understood"),
        ({"rank_pattern": {"(?i)q_proj": 1}}, "not understood"),
        ({"rank_pattern": {r"(a)\1": 1}}, "not understood"),
        ({"rank_pattern": {"a" * 301: 1}}, "not understood"),
        ({"rank_pattern": {".*.*.*": 1}}, "not understood"),
        ({"rank_pattern": {"a?" * 30 + "a" * 30: 1}}, "not understood"),
        ({"rank_pattern": {"(a|a)" * 30: 1}}, "not understood"),
        ({"rank_pattern": {f"m{n}": 1 for n in range(257)}}, "at most 256"),
        ({"base_model_name_or_path": 7}, "base_model_name_or_path 7"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AdapterError) as raised:
        parse(**changes)
    assert raised.value.reason == "ConfigInvalid"
    assert message in raised.value.message
    assert len(raised.value.message) < 700


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "'IA3'"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "bias 'all'"),
        ({"bias": "lora_only"}, "bias 'lora_only'"),
        ({"lora_bias": True}, "lora_bias"),
        ({"use_qalora": True}, "QALoRA"),
        ({"alora_invocation_tokens": [1]}, "aLoRA"),
        ({"layer_replication": [[0, 1]]}, "layer_replication"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"modules_to_save": ["score"]}, "modules_to_save"),
        ({"trainable_token_indices": [5]}, "trainable tokens"),
        ({"target_parameters": ["experts.gate_up_proj"]}, "target_parameters"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"task_type": "SEQ_CLS"}, "'SEQ_CLS'"),
        *(({"init_lora_weights": value}, value) for value in ("pissa", "pissa_niter_4", "olora", "loftq", "corda")),
    ],
)
def test_a_feature_that_vllm_has_not_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AdapterError) as raised:
        parse(**changes)
    assert raised.value.reason == "FeatureNotSupported"
    assert message in raised.value.message


@pytest.mark.parametrize("changes", [{"r": 513}, {"rank_pattern": {"q_proj": 1024}}])
def test_a_rank_that_vllm_has_no_slot_for_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AdapterError) as raised:
        parse(**changes)
    assert raised.value.reason == "RankTooLarge"
