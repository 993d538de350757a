import hashlib
from pathlib import Path

import pytest

from kaito.runtime.config import Flags
from kaito.runtime.failure import FatalError
from kaito.runtime.front.keys import KeyRing, keys_of_vllm, parse_keys

HASH = hashlib.sha256(b"hashed").hexdigest()


def test_a_line_is_a_key_or_the_hash_of_one() -> None:
    keys, wrong = parse_keys(f"# team keys\nplain\n\n  ci:sha256:{HASH}  \n")
    assert [key.name for key in keys] == ["line 2", "ci"]
    assert keys[1].digest.hex() == HASH
    assert wrong == []


@pytest.mark.parametrize("line", ["ci:sha256:12", f"a b:sha256:{HASH}", "two words", "a\x00b"])
def test_a_line_that_is_no_key_is_named(line: str, tmp_path: Path) -> None:
    assert parse_keys(f"good\n{line}\n")[1] == [2]
    (tmp_path / "keys").write_text(f"good\n{line}\n")
    with pytest.raises(FatalError, match="Line 2") as caught:
        KeyRing(tmp_path / "keys")
    assert caught.value.reason == "InvalidFlag"


@pytest.mark.parametrize(
    ("header", "holder"),
    [
        (b"Bearer plain", "line 1"),
        (b"bearer  hashed", "ci"),
        (b"Bearer two", "flag"),
        (b"", ""),
        (b"Bearer", ""),
        (b"Bearer ", ""),
        (b"plain", ""),
        (b"Basic plain", ""),
        (b"Bearer " + HASH.encode(), ""),
        (b"Bearer \xff\xfe", ""),
        (b"Bearer plain plain", ""),
    ],
)
def test_a_key_is_known_by_what_it_hashes_to(header: bytes, holder: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"plain\nci:sha256:{HASH}\n")
    assert KeyRing(tmp_path / "keys", ["two"]).holder(header) == holder


def test_without_file_and_flag_none_is_needed_and_an_empty_file_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    assert not KeyRing().required
    ring = KeyRing(tmp_path / "keys")
    assert ring.required
    assert ring.holder(b"Bearer ") == ""


@pytest.mark.parametrize(
    ("argv", "environment", "keys"),
    [
        ("--api-key=a", {"VLLM_API_KEY": "b"}, ("a",)),
        ("--api-key a b", {}, ("a", "b")),
        ("", {"VLLM_API_KEY": "b"}, ("b",)),
        ("", {}, ()),
    ],
)
def test_vllm_s_own_settings_of_keys_are_kept(argv: str, environment: dict[str, str], keys: tuple[str, ...]) -> None:
    assert keys_of_vllm(Flags.parse(argv.split()), environment) == keys


def test_a_secret_that_kubernetes_swaps_is_followed(tmp_path: Path) -> None:
    """A mounted Secret: `keys` is a link to `..data/keys`, and `..data` is replaced as a whole."""
    for number, content in enumerate(["old\n", "new\n"]):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "keys").write_text(content)
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "keys").symlink_to("..data/keys")
    ring = KeyRing(tmp_path / "keys")
    assert ring.holder(b"Bearer old")
    (tmp_path / "..next").symlink_to("..1")
    (tmp_path / "..next").replace(tmp_path / "..data")
    ring.look()
    assert (ring.holder(b"Bearer old"), bool(ring.holder(b"Bearer new"))) == ("", True)


def test_while_serving_a_bad_line_is_left_out_and_a_file_that_is_gone_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("one\n")
    ring = KeyRing(file)
    file.write_text("two words\nthree\n")
    ring.look()
    assert (ring.holder(b"Bearer one"), bool(ring.holder(b"Bearer three"))) == ("", True)
    file.unlink()
    ring.look()
    assert ring.holder(b"Bearer three") == ""
    file.write_text("one\n")
    ring.look()
    assert ring.holder(b"Bearer one")
