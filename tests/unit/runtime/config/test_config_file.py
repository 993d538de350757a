import pytest

from kaito.runtime.config import Flag, parse_config_file
from kaito.runtime.failure import FatalError


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        ("true", Flag("x")),
        ("false", Flag("no-x")),
        ('"True"', Flag("x")),
        ("4096", Flag("x", ("4096",))),
        ("0.95", Flag("x", ("0.95",))),
        ("auto", Flag("x", ("auto",))),
        ("[a, 2]", Flag("x", ("a", "2"))),
        ("[-1, -0.5]", Flag("x", ("-1", "-0.5"))),
        ("{a: {b: true}}", Flag("x", ('{"a": {"b": true}}',))),
        ("[{name: n}]", Flag("x", ('{"name": "n"}',))),
    ],
)
def test_a_value_becomes_a_flag_by_its_type(value: str, flag: Flag) -> None:
    assert parse_config_file(f"vllm:\n  x: {value}\n").flags == (flag,)


def test_underscores_become_dashes_and_every_flag_knows_its_line() -> None:
    file = parse_config_file("# comment\nvllm:\n  a: 1\n\n  max_model_len: 2\n")
    assert file.line_of("max-model-len") == 5
    assert file.line_of("other") is None


@pytest.mark.parametrize(
    ("value", "argument"),
    [("true", "true"), ("false", "false"), ("'False'", "false"), ("[]", "[]"), ("[a, 2]", '["a", 2]'), ("3", "3")],
)
def test_a_field_of_a_map_keeps_its_name_and_takes_json(value: str, argument: str) -> None:
    file = parse_config_file(f"vllm:\n  compilation_config.pass_config.fuse_allreduce_rms: {value}\n")
    assert file.flags == (Flag("compilation-config.pass_config.fuse_allreduce_rms", (argument,)),)
    assert file.line_of("compilation-config") == 2


def test_origins_are_one_word_of_json() -> None:
    file = parse_config_file('vllm:\n  allowed_origins: ["*"]\n')
    assert file.flags == (Flag("allowed-origins", ('["*"]',)),)


@pytest.mark.parametrize("text", ["", "vllm:\n", "vllm: {}\n", "# nothing\n"])
def test_an_empty_file_or_map_says_nothing(text: str) -> None:
    assert parse_config_file(text).flags == ()


def test_keys_of_upstream_without_effect_are_taken_and_remarked_on() -> None:
    file = parse_config_file("vllm:\n  swap-space: 4\nmax_probe_steps: 6\nkv_cache_cpu_memory_utilization: 0.5\n")
    assert file.flags == ()
    assert [remark.split(":")[0] for remark in file.remarks] == ["line 2", "line 3", "line 4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vlllm: {}\n", "Line 1 .* unknown key 'vlllm'"),
        ("vllm:\n  a: 1\n  a: 2\n", "Line 3 .* 'a' a second time"),
        ("vllm:\n  a:\n", "Line 2 .* gives a no value"),
        ("vllm:\n  a: []\n", "Line 2 .* empty list"),
        ("vllm: 5\n", "Line 1 .* no map where `vllm` needs one"),
        ("- a\n", "Line 1 .* no map where the file needs one"),
        ("vllm:\n  'a=1': true\n", "Line 2 .* 'a=1', which is no name of a flag"),
        ("vllm:\n  'a b': true\n", "Line 2 .* 'a b', which is no name of a flag"),
        ("vllm:\n  a: [x, '--middleware=os.system']\n", "Line 2 .* begins with a dash"),
        ("vllm:\n  max_a: 1\n  max-a: 2\n", "Line 3 .* 'max-a' a second time"),
        ("vllm:\n  ? [a]\n  : 1\n", "Line 2 .* key that is no word"),
        ("vllm:\n  a: 1\n  b: \x07\n", "Line 3 .* is not YAML"),
        ("vllm:\n  a: {{ .Values.dtype }}\n", "Line 2 .* gives a a value that cannot be read"),
        ("vllm:\n  a: !x 3\n", "Line 2 .* cannot be read"),
        ("vllm:\n  a: 2024-13-45\n", "Line 2 .* cannot be read"),
        ("vllm:\n  a: !!int abc\n", "Line 2 .* cannot be read"),
        ("vllm:\n  a: {b: 2024-01-02}\n", "Line 2 .* cannot be read"),
        ("vllm:\n  a: &x [*x]\n", "Line 2 .* cannot be read"),
        ("vllm: " + "[" * 5000, "Line 1 .* too deep"),
        ("vllm:\n  a: [1\n", "Line 3 .* is not YAML"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(FatalError, match=message) as caught:
        parse_config_file(text)
    assert caught.value.reason == "InvalidConfigFile"
    assert caught.value.exit_status == 2
