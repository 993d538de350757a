"""What becomes of flags in vLLM's own parser. It takes seconds to import."""

from typing import Any

import pytest

from kaito.runtime.config import ConfigFile, EffectiveConfig, Flags, parse_config_file
from kaito.runtime.failure import FatalError


@pytest.fixture(scope="module", autouse=True)
def _on_a_cpu() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_TARGET_DEVICE", "cpu")
        import kaito.runtime.engine.vllm_compat  # noqa: F401


def arguments(*argv: str, file: str = "") -> Any:
    from kaito.runtime.engine.arguments import vllm_arguments

    parsed: ConfigFile = parse_config_file(file)
    flags = Flags((*Flags.parse(argv), *parsed.flags))
    return vllm_arguments(EffectiveConfig(flags, environment={}, remarks=(), names=()), parsed)


def test_every_short_name_of_vllm_s_is_read_as_the_flag_it_stands_for() -> None:
    from kaito.runtime.engine import vllm_compat

    parser = vllm_compat.make_arg_parser(vllm_compat.FlexibleArgumentParser(add_help=False))
    options = [action.option_strings for action in parser._actions if action.option_strings]
    short = {name: long[0] for long in options for name in long if not name.startswith("--")}
    assert len(short) > 20
    assert {name: Flags.parse([name]).argv() for name in short} == {name: [long] for name, long in short.items()}


def test_a_field_behind_a_dot_reaches_vllm_s_configuration() -> None:
    given = arguments(
        "--compilation-config.pass_config.fuse_allreduce_rms=False",
        file="vllm:\n  structured_outputs_config.enable_in_reasoning: true\n  shutdown-timeout: 7\n",
    )
    assert given.compilation_config.pass_config.fuse_allreduce_rms is False
    assert given.structured_outputs_config.enable_in_reasoning is True
    assert given.shutdown_timeout == 7


def test_the_line_of_a_field_that_vllm_refuses_is_named() -> None:
    with pytest.raises(FatalError, match="line 2 of the inference config"):
        arguments(file="vllm:\n  compilation-config.no_such_field: 1\n")


def test_what_has_no_opposite_may_be_turned_off() -> None:
    assert arguments(file="vllm:\n  disable-log-stats: false\n").disable_log_stats is False


def test_lists_of_origins_are_read() -> None:
    assert arguments(file='vllm:\n  allowed-origins: ["https://a"]\n').allowed_origins == ["https://a"]


def test_a_short_name_with_two_dashes_is_no_beginning_of_another_flag() -> None:
    with pytest.raises(FatalError, match="knows --ep"):
        arguments("--ep")
