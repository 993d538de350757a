from typing import Any

import pytest

from kaito.runtime.adapters.sizing import LoraSize
from kaito.runtime.config import Flags, Hardware, ServeOptions, effective_config, parse_config_file
from kaito.runtime.config.effective import EffectiveConfig
from kaito.runtime.failure import FatalError
from kaito.runtime.weights import Weights

CPU = Hardware(accelerator=False, cores=2, bfloat16=False, available_memory=16 * 2**30)
GPU = Hardware(accelerator=True, cores=16, bfloat16=True, available_memory=64 * 2**30)
STAND_IN = Weights("stand-in", "/w", 600_000, preset="phi-3")
PATH = Weights("path", "/w", 600_000)
HUB = Weights("hub", "org/name")

LORA = LoraSize(rank=64, slots=4, cpu_slots=32)


def effective(
    argv: str = "",
    *,
    file: str = "",
    hardware: Hardware = CPU,
    weights: Weights = STAND_IN,
    lora: LoraSize | None = None,
    environment: dict[str, str] | None = None,
    **options: Any,
) -> EffectiveConfig:
    return effective_config(
        ServeOptions(model="/w", vllm=Flags.parse(argv.split()), **options),
        parse_config_file(file),
        hardware,
        weights,
        lora=lora,
        environment=environment or {},
    )


def test_the_file_beats_the_command_line() -> None:
    config = effective("--max-model-len=4096 --dtype=float32", file="vllm:\n  max-model-len: 2048\n")
    assert config.flags.value("max-model-len") == "2048"
    assert sum(flag.name == "max-model-len" for flag in config.flags) == 1


def test_what_has_no_effect_any_more_is_taken_with_a_remark() -> None:
    config = effective(remarks=("--kaito-max-probe-steps has no effect",), file="max_probe_steps: 6\n")
    assert [remark.split(" ")[0] for remark in config.remarks[:2]] == ["--kaito-max-probe-steps", "line"]


def test_without_a_gpu_its_flags_are_left_out_and_the_log_says_so() -> None:
    config = effective("--gpu-memory-utilization=0.84 -tp 2 --dtype=float16 --max-num-seqs=4")
    assert not {"gpu-memory-utilization", "tensor-parallel-size"} & {flag.name for flag in config.flags}
    assert config.flags.value("dtype") == "float32"
    assert config.flags.value("max-num-seqs") == "4"
    assert "--gpu-memory-utilization, --tensor-parallel-size left out" in config.remarks[0]


def test_with_a_gpu_nothing_is_taken_away() -> None:
    config = effective("--gpu-memory-utilization=0.84 --dtype=float16", hardware=GPU, weights=PATH)
    assert config.flags.value("gpu-memory-utilization") == "0.84"
    assert config.flags.value("dtype") == "float16"
    assert config.remarks == ()
    assert "VLLM_TARGET_DEVICE" not in config.environment


@pytest.mark.parametrize(
    ("bfloat16", "weights", "asked", "given"),
    [
        (True, PATH, "float16", "bfloat16"),
        (True, PATH, "bfloat16", "bfloat16"),
        (True, STAND_IN, "bfloat16", "float32"),
        (False, PATH, "bfloat16", "float32"),
        (True, PATH, "float32", "float32"),
    ],
)
def test_a_cpu_computes_in_the_type_it_computes_best(bfloat16: bool, weights: Weights, asked: str, given: str) -> None:
    hardware = Hardware(accelerator=False, cores=2, bfloat16=bfloat16, available_memory=0)
    assert effective(f"--dtype={asked}", hardware=hardware, weights=weights).flags.value("dtype") == given


@pytest.mark.parametrize(
    ("argv", "eager"), [("", True), ("--no-enforce-eager", False), ("-O3", False), ("-O 3", False)]
)
def test_nothing_is_compiled_on_a_cpu_unless_asked(argv: str, eager: bool) -> None:
    assert (effective(argv).flags.get("enforce-eager") is not None) is eager


def test_weights_that_cannot_fit_are_refused_with_the_numbers() -> None:
    with pytest.raises(FatalError, match=r"weights need 30\.0 GiB .* only 16\.0 GiB") as caught:
        effective(weights=Weights("path", "/w", 30 * 2**30))
    assert caught.value.reason == "NotEnoughMemory"


@pytest.mark.parametrize("size", ["268435456", "256M", "0.25g"])
def test_the_kv_cache_is_counted_as_large_as_it_is_asked_for(size: str) -> None:
    weights = Weights("path", "/w", 15 * 2**30 + 2**29)
    effective(file=f"vllm:\n  kv-cache-memory-bytes: {size}\n", weights=weights)
    with pytest.raises(FatalError, match=r"the KV cache 1\.0 GiB"):
        effective(weights=weights)


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({"torch_dtype": "bfloat16"}, False),
        ({"dtype": "float16"}, False),
        ({"dtype": "float32"}, True),
        ({"torch_dtype": "bfloat16", "quantization_config": {}}, True),
        ({}, True),
    ],
)
def test_weights_of_16_bits_that_become_32_need_twice_their_size(config: dict[str, Any], fits: bool) -> None:
    weights = Weights("path", "/w", 9 * 2**30, config=config)
    if fits:
        effective(weights=weights)
        return
    with pytest.raises(FatalError, match=r"weights need 18\.0 GiB"):
        effective(weights=weights)


def test_the_workspace_s_name_is_none_of_the_base_model_s_for_adapters_may_come() -> None:
    assert effective("--served-model-name=phi", workspace="ws").names == ("phi",)
    assert effective("--served-model-name=phi", workspace="phi").names == ("phi",)


def test_a_stand_in_is_named_after_its_preset_and_a_download_after_its_repository() -> None:
    assert effective().names == ("phi-3",)
    assert effective(weights=HUB).names == (HUB.source,)


def test_lora_is_turned_on_with_room_where_adapters_may_come() -> None:
    config = effective(lora=LORA)
    assert config.flags.get("enable-lora") is not None
    room = [config.flags.value(name) for name in ("max-lora-rank", "max-loras", "max-cpu-loras")]
    assert room == ["64", "4", "32"]
    assert config.lora_rank == 64
    assert any("up to rank 64 and 4 at a time" in remark for remark in config.remarks)


def test_lora_that_nobody_asked_for_is_turned_off_again_for_a_model_that_takes_none() -> None:
    config = effective(lora=LORA)
    assert (config.lora_assumed, effective("--enable-lora", lora=LORA).lora_assumed) == (True, False)
    without = config.without_lora()
    assert (without.lora_rank, without.flags.get("max-loras")) == (0, None)
    assert "LoRA is off" in without.remarks[-1]


def test_flags_decide_on_lora_where_they_are_given() -> None:
    assert effective("--enable-lora --max-lora-rank=16", lora=LORA).lora_rank == 16
    assert effective("--enable-lora", lora=LORA).flags.value("max-loras") == "4"
    assert effective("--enable-lora --max-loras=40", lora=LORA).flags.value("max-cpu-loras") == "40"
    assert effective("--no-enable-lora", lora=LORA).lora_rank == 0
    assert effective().lora_rank == 0


def test_a_number_that_is_none_is_left_for_vllm_to_refuse() -> None:
    config = effective("--enable-lora --max-loras=four --max-lora-rank=big", lora=LORA)
    assert (config.flags.value("max-loras"), config.flags.value("max-cpu-loras")) == ("four", "32")
    assert config.lora_rank == 16


def test_vllm_asks_the_hub_for_nothing() -> None:
    assert effective().environment["HF_HUB_OFFLINE"] == "1"
    assert effective(weights=HUB).environment["HF_HUB_OFFLINE"] == "1"


def test_the_users_environment_is_left_alone() -> None:
    config = effective(environment={"VLLM_HOST_IP": "10.0.0.1", "OMP_NUM_THREADS": "5"})
    assert not {"VLLM_HOST_IP", "OMP_NUM_THREADS"} & set(config.environment)
    assert config.environment["VLLM_TARGET_DEVICE"] == "cpu"


def test_one_core_is_left_to_the_http_server() -> None:
    assert effective().environment["OMP_NUM_THREADS"] == "1"
    one = Hardware(accelerator=False, cores=1, bfloat16=False, available_memory=0)
    assert effective(hardware=one).environment["OMP_NUM_THREADS"] == "1"
