import argparse
from pathlib import Path

import pytest

from kaito import contracts
from kaito.runtime.config import ServeOptions, add_serve_flags, serve_options
from kaito.runtime.failure import FatalError


def options(*argv: str, environment: dict[str, str] | None = None) -> ServeOptions:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_serve_flags(parser)
    known, rest = parser.parse_known_args(argv)
    return serve_options(known, rest, environment or {})


def test_every_flag_of_the_contract_is_ours_and_the_rest_is_vllms() -> None:
    found = options(
        "--model=/w", "--max-model-len", "4096", contracts.ADAPTERS_FLAG, "/a", contracts.CONFIG_FLAG, "/c",
        contracts.ADMIN_PORT_FLAG, "7", contracts.ADMIN_TOKEN_FLAG, "/t", contracts.WORKSPACE_NAME_FLAG, "ws",
    )  # fmt: skip
    assert found.vllm.argv() == ["--max-model-len=4096"]
    assert (found.adapters_dir, found.config_file) == (Path("/a"), Path("/c"))
    assert (found.admin_port, found.admin_token_file, found.workspace) == (7, Path("/t"), "ws")


def test_ports_and_host_have_the_contracts_defaults() -> None:
    found = options("--model=/w", environment={contracts.BIND_HOST_VARIABLE: "127.1.2.3"})
    assert (found.port, found.admin_port, found.host) == (contracts.SERVING_PORT, contracts.ADMIN_PORT, "127.1.2.3")
    assert options("--model=/w").host == ""
    assert options("--model=/w", "--host=::1", environment={contracts.BIND_HOST_VARIABLE: "1.1.1.1"}).host == "::1"


def test_flags_of_upstream_without_effect_are_taken_with_a_remark() -> None:
    found = options("--model=/w", "--kaito-max-probe-steps=6", "--kaito-kv-cache-cpu-memory-utilization", "0.5")
    assert found.vllm == ()
    assert [remark.split(" ")[0] for remark in found.remarks] == [
        "--kaito-max-probe-steps",
        "--kaito-kv-cache-cpu-memory-utilization",
    ]
    assert options("--model=/w").remarks == ()


def test_the_limits_on_requests_have_defaults_and_can_be_set() -> None:
    found = options("--model=/w")
    assert (found.drain_delay_seconds, found.grace_seconds, found.request_timeout_seconds) == (5, 30, 0)
    assert (found.max_body_bytes, found.api_keys_file, found.disable_rate_limit) == (8 * 2**20, None, False)
    found = options("--model=/w", "--kaito-max-body-bytes=9", "--kaito-disable-rate-limit", "--kaito-canary-seconds=0")
    assert (found.max_body_bytes, found.disable_rate_limit, found.canary_seconds) == (9, True, 0)


def test_a_missing_model_is_refused() -> None:
    with pytest.raises(FatalError, match="--model is missing"):
        options("--max-model-len=1")


def test_a_stray_word_is_refused_with_what_to_write() -> None:
    with pytest.raises(FatalError, match=r"'phi' belongs to no flag.*--model=PATH"):
        options("phi", "--model=/w")
