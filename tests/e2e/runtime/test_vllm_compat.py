"""One test per thing of vLLM's that the runtime relies on. They need vLLM; importing it takes seconds."""

import pytest

NAMES = (
    "AsyncLLM",
    "AsyncMPClient",
    "BaseModelPath",
    "FlexibleArgumentParser",
    "LoRARequest",
    "LoRARequestStates",
    "ModelCard",
    "ModelPermission",
    "ModelRegistry",
    "OpenAIServingModels",
    "build_app",
    "build_async_engine_client",
    "configure_logging_from_args",
    "init_app_state",
    "make_arg_parser",
    "supports_lora",
    "validate_parsed_serve_args",
)


@pytest.fixture(scope="module", autouse=True)
def _on_a_cpu() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_TARGET_DEVICE", "cpu")
        import kaito.runtime.engine.vllm_compat  # noqa: F401


@pytest.mark.parametrize("name", NAMES)
def test_vllm_still_has(name: str) -> None:
    from kaito.runtime.engine.vllm_compat import SURFACE

    assert SURFACE[name].broken() == ""


def test_nothing_that_is_relied_on_is_left_out_of_these_tests() -> None:
    from kaito.runtime.engine.vllm_compat import SURFACE

    assert tuple(sorted(SURFACE)) == tuple(sorted(NAMES))


def test_the_self_test_says_the_version_in_one_line() -> None:
    from kaito.runtime.engine.vllm_compat import VERSION, self_test

    said: list[str] = []
    self_test(said.append)
    assert said == [f"vLLM {VERSION}: compat OK"]


def test_a_vllm_that_moved_something_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from kaito.runtime.engine import vllm_compat
    from kaito.runtime.failure import FatalError

    moved = vllm_compat.Expectation(vllm_compat.AsyncLLM, members=("gone",))
    monkeypatch.setattr(vllm_compat, "SURFACE", {"AsyncLLM": moved})
    with pytest.raises(FatalError, match="AsyncLLM has no gone"):
        vllm_compat.self_test(lambda line: None)


@pytest.mark.parametrize(
    ("argv", "file", "message"),
    [
        ("--max-modl-len=4", "", r"knows --max-modl-len\. Did you mean --max-model-len"),
        ("--max-model-len=many", "", "vLLM does not take its flags"),
        ("", "vllm:\n  dtype: auto\n  max-num-seqs: many\n", "vLLM does not take line 3 .*max-num-seqs.*many"),
        ("", "vllm:\n  tensor-parallel-size: 1.5\n", "vLLM does not take line 2 .*tensor-parallel-size"),
        ("", "vllm:\n  dtype: float7\n", "vLLM does not take line 2 .*dtype.*float7"),
        ("", "vllm:\n  max-modl-len: 4\n", "Line 2 .* max-modl-len"),
        ("--enable-auto-tool-choice", "", "vLLM does not take its flags"),
    ],
)
def test_a_flag_that_vllm_does_not_take_is_refused_in_one_line(argv: str, file: str, message: str) -> None:
    from kaito.runtime.config import EffectiveConfig, Flags, parse_config_file
    from kaito.runtime.engine.arguments import vllm_arguments
    from kaito.runtime.failure import FatalError

    parsed = parse_config_file(file)
    config = EffectiveConfig(Flags.parse(argv.split()).replace(*parsed.flags), {}, (), ())
    with pytest.raises(FatalError, match=message) as caught:
        vllm_arguments(config, parsed)
    assert "\n" not in str(caught.value)


def test_vllm_takes_every_flag_that_is_added_on_a_cpu() -> None:
    from kaito.runtime.adapters.sizing import lora_size
    from kaito.runtime.config import Flags, Hardware, ServeOptions, effective_config, parse_config_file
    from kaito.runtime.engine.arguments import vllm_arguments
    from kaito.runtime.weights import Weights

    options = ServeOptions(model="/w", vllm=Flags.parse(["--dtype=float16", "-O3", "--gpu-memory-utilization=0.8"]))
    file = parse_config_file("vllm:\n  enable-prefix-caching: false\n  max-model-len: 2048\n")
    hardware = Hardware(accelerator=False, cores=2, bfloat16=False, available_memory=0)
    weights = Weights("stand-in", "/w", preset="phi")
    config = effective_config(options, file, hardware, weights, lora=lora_size((8,), together=False), environment={})
    arguments = vllm_arguments(config, file)
    assert (arguments.max_model_len, arguments.enable_prefix_caching, arguments.enable_lora) == (2048, False, True)
    assert arguments.served_model_name == ["phi"]


@pytest.mark.parametrize(
    ("argv", "root"), [("", ""), ("--root-path=/x", "/x"), ("--root-path=/x/", "/x"), ("--root-path=/", "")]
)
def test_a_root_path_ends_in_no_slash_so_that_the_gate_knows_what_vllm_takes_off(argv: str, root: str) -> None:
    from kaito.runtime.config import EffectiveConfig, Flags, parse_config_file
    from kaito.runtime.engine.arguments import vllm_arguments

    config = EffectiveConfig(Flags.parse(argv.split()), {}, (), ())
    assert vllm_arguments(config, parse_config_file("")).root_path == root


@pytest.mark.parametrize(
    ("architecture", "takes"), [("Phi3ForCausalLM", True), ("GPT2LMHeadModel", False), ("NobodyForCausalLM", True)]
)
def test_vllm_tells_which_architectures_take_lora(architecture: str, takes: bool) -> None:
    from kaito.runtime.engine.arguments import takes_lora

    assert takes_lora([architecture]) is takes
