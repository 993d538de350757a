import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.runtime.config import Flag, Flags


@pytest.mark.parametrize(
    ("argv", "flags"),
    [
        (["--a=1"], [Flag("a", ("1",))]),
        (["--a", "1"], [Flag("a", ("1",))]),
        (["--a", "1", "2"], [Flag("a", ("1", "2"))]),
        (["--a_b", "--no-c"], [Flag("a-b"), Flag("no-c")]),
        (["--a_b.c_d.e_f=1"], [Flag("a-b.c_d.e_f", ("1",))]),
        (["-tp", "2"], [Flag("tensor-parallel-size", ("2",))]),
        (["-dcp", "2"], [Flag("decode-context-parallel-size", ("2",))]),
        (["-ep"], [Flag("enable-expert-parallel")]),
        (["-cc.mode=3"], [Flag("compilation-config.mode", ("3",))]),
        (["--max-model-len", "-1"], [Flag("max-model-len", ("-1",))]),
        (['--x={"y": 1}'], [Flag("x", ('{"y": 1}',))]),
        (["--x="], [Flag("x", ("",))]),
    ],
)
def test_a_command_line_becomes_flags(argv: list[str], flags: list[Flag]) -> None:
    assert list(Flags.parse(argv)) == flags


def test_a_field_without_a_value_takes_no_other_word_for_it() -> None:
    assert Flags.parse(["--a.b", "--c=1"]).argv() == ["--a.b=true", "--c=1"]


def test_a_word_before_any_flag_is_refused() -> None:
    with pytest.raises(ValueError, match="meta/llama"):
        Flags.parse(["meta/llama", "--a"])


def test_the_last_of_two_wins_as_in_argparse() -> None:
    assert Flags.parse(["--a=1", "--a=2"]).value("a") == "2"


def test_replacing_a_flag_removes_its_opposite() -> None:
    flags = Flags.parse(["--enable-lora", "--b"]).replace(Flag("no-enable-lora"))
    assert flags.argv() == ["--b", "--no-enable-lora"]


def test_a_default_gives_way_to_the_flag_and_to_its_opposite() -> None:
    flags = Flags.parse(["--no-enforce-eager"]).default(Flag("enforce-eager"), Flag("other"))
    assert flags.argv() == ["--no-enforce-eager", "--other"]


def test_secrets_are_not_shown() -> None:
    flags = Flags.parse(["--api-key", "hunter2", "hunter3", "--hf-token=abc", "--port=1", "--tokenizer=t"])
    assert flags.shown() == ["--api-key=***", "--hf-token=***", "--port=1", "--tokenizer=t"]
    assert "hunter2" in flags.argv()


NAMES = st.from_regex(r"[a-z]+(-[a-z]+){0,2}", fullmatch=True).filter(lambda name: name not in {"tp", "pp", "dp", "q"})
VALUES = st.lists(st.from_regex(r"[A-Za-z0-9./:{}\"]{1,8}", fullmatch=True), max_size=3).map(tuple)


@given(st.lists(st.builds(Flag, NAMES, VALUES), max_size=6))
def test_flags_survive_a_command_line(flags: list[Flag]) -> None:
    assert list(Flags.parse(Flags(flags).argv())) == flags
