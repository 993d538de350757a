import pytest

from kaito.runtime.config import Flags, parse_config_file
from kaito.runtime.config.policy import check_policy
from kaito.runtime.failure import FatalError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "line",
    [
        "model: x",
        "host: 0.0.0.0",
        "port: 1",
        "api-key: secret",
        "api_key: [secret]",
        "middleware: os.system",
        "trust-remote-code: true",
        "no-trust-remote-code: true",
        "allowed-local-media-path: /",
        "config: /etc/passwd",
        "worker-cls: my.Worker",
        "revision: main",
    ],
)
def test_the_file_cannot_set_what_is_the_pod_s_and_the_refusal_has_its_line_and_not_its_value(line: str) -> None:
    with pytest.raises(FatalError, match="Line 3 of the inference config sets") as caught:
        check_policy(Flags(), parse_config_file(f"vllm:\n  dtype: auto\n  {line}\n"), {})
    assert caught.value.reason == "InvalidConfigFile"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "structured-outputs-config: {reasoning_parser_plugin: /mnt/config/evil.py}",
        "structured-outputs-config.reasoning_parser_plugin: /mnt/config/evil.py",
        "structured_outputs_config.reasoning_parser_plugin+: /mnt/config/evil.py",
        """structured-outputs-config: '{"reasoning_parser_plugin": "/mnt/config/evil.py"}'""",
        r"""structured-outputs-config: '{"reasoning_parser_plug\u0069n": "/mnt/config/evil.py"}'""",
        """kv-transfer-config: '{"kv_connector_module_path": "evil", "kv_buffer_size": 80m}'""",
        "kv-transfer-config: {kv_connector_extra_config: {spec_module_path: evil}}",
        "kv-transfer-config: {kv_connector_extra_config: {secondary_tiers: [{policy: evil.Policy}]}}",
        "ec-transfer-config: {ec_connector_module_path: evil}",
        "ec-manager-config: {encoder_cache_manager_cls: evil.Manager}",
        "logging-config: {pylogging_config_file: /mnt/config/logging.json}",
        "compilation-config: {inductor_passes: {post_grad_custom_post_pass: evil.run}}",
        "compilation-config.inductor_compile_config: {cpp.cxx: [/bin/sh]}",
        "compilation-config: {backend: evil.run}",
        "compilation-config.backend: evil.run",
        "speculative-config: {model: evil.Proposer, num_speculative_tokens: 1}",
        "speculative-config: {method: custom_class}",
        "spec-method: custom_class",
        "spec-model: evil.Proposer",
        "distributed-executor-backend: evil.Executor",
        "model-class-overrides: {LlamaForCausalLM: 'evil:Model'}",
    ],
)
def test_the_file_names_no_code_inside_the_value_of_a_flag(line: str) -> None:
    with pytest.raises(FatalError, match=r"Line 2 of the inference config sets .*code of the user's choice") as caught:
        check_policy(Flags(), parse_config_file(f"vllm:\n  {line}\n"), {})
    assert caught.value.reason == "InvalidConfigFile"
    assert "mnt" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "compilation-config: {backend: inductor, pass_config: {fuse_allreduce_rms: false}}",
        "compilation-config.pass_config.fuse_allreduce_rms: 'False'",
        "speculative-config: {model: org/draft-1.5b, method: eagle3, revision: main}",
        "distributed-executor-backend: mp",
        "kv-transfer-config: {kv_connector: OffloadingConnector, kv_role: kv_both}",
        "structured-outputs-config: {backend: xgrammar, reasoning_parser: qwen3}",
        "max-lora-cls-labels: 4",
    ],
)
def test_what_only_tunes_may_stand_inside_a_value(line: str) -> None:
    check_policy(Flags(), parse_config_file(f"vllm:\n  {line}\n"), {})


@pytest.mark.parametrize(
    ("argv", "allowed"),
    [
        ("--trust-remote-code", False),
        ("--trust_remote_code --revision=main", False),
        ("--trust-remote-code --revision=0123456", False),
        (f"--trust-remote-code --revision={COMMIT}", True),
        (f"--trust-remote-code --code-revision {COMMIT}", True),
        ("--trust-remote-code --no-trust-remote-code", True),
        ("--max-model-len=4", True),
    ],
)
def test_remote_code_needs_a_commit(argv: str, allowed: bool) -> None:
    flags = Flags.parse(argv.split())
    if allowed:
        check_policy(flags, parse_config_file(""), {})
        return
    with pytest.raises(FatalError, match="no commit") as caught:
        check_policy(flags, parse_config_file(""), {})
    assert caught.value.reason == "InvalidFlag"


@pytest.mark.parametrize(("value", "allowed"), [("1", False), ("2", False), ("0", True), ("", True)])
def test_vllm_s_development_routes_are_never_opened(value: str, allowed: bool) -> None:
    environment = {"VLLM_SERVER_DEV_MODE": value}
    if allowed:
        check_policy(Flags(), parse_config_file(""), environment)
        return
    with pytest.raises(FatalError, match="VLLM_SERVER_DEV_MODE"):
        check_policy(Flags(), parse_config_file(""), environment)
