"""A set is read strictly, and what is wrong is named with its place."""

import json
from typing import Any

import pytest

from kaito.contracts import AdapterSet
from kaito.runtime.adapters.adapter_set import InvalidSetError, newer, parse_one, parse_set

DIGEST = "sha256:" + "a" * 64


def a_set(*adapters: dict[str, Any], generation: int = 1) -> AdapterSet:
    return parse_set(json.dumps({"contractVersion": 1, "generation": generation, "adapters": adapters}))


def test_a_whole_set_is_read() -> None:
    adapter = {
        "name": "pirate", "image": "registry.example/pirate:1", "imagePullSecrets": ["pull"], "digest": DIGEST,
        "strength": "0.5", "aliases": ["prod"],
    }  # fmt: skip
    read = a_set(adapter, {"name": "b", "hub": "me/b@main"}, {"name": "c", "urls": ["https://example.com/c.tar"]})
    assert [each["name"] for each in read["adapters"]] == ["pirate", "b", "c"]


@pytest.mark.parametrize("strength", ["0", "1", ".5", "0.25", "1.0000000", "0.6666666666666666", "0." + "3" * 30])
def test_every_strength_that_a_workspace_may_have_is_read(strength: str) -> None:
    [read] = a_set({"name": "a", "image": "i", "strength": strength})["adapters"]
    assert read["strength"] == strength


@pytest.mark.parametrize(
    ("entry", "field", "says"),
    [
        ({"image": "i"}, "adapters[0].name", "no name"),
        ({"name": "Pirate", "image": "i"}, "adapters[0].name", "lower-case"),
        ({"name": "a@b", "image": "i"}, "adapters[0].name", "no name"),
        ({"name": "a"}, "adapters[0]", "0 sources"),
        ({"name": "a", "image": "i", "hub": "o/r"}, "adapters[0]", "2 sources"),
        ({"name": "a", "urls": "https://x"}, "adapters[0].urls", "list of URLs"),
        ({"name": "a", "path": "b"}, "adapters[0].path", "not absolute"),
        ({"name": "a", "path": "/a\0b"}, "adapters[0].path", "control character"),
        ({"name": "a", "path": "/\ud800"}, "adapters[0].path", "half a surrogate"),
        ({"name": "a", "urls": ["https://x", "https://x/\r\ny"]}, "adapters[0].urls", "control character"),
        ({"name": "a", "image": "i", "strength": "2"}, "adapters[0].strength", "from 0 to 1"),
        ({"name": "a", "image": "i", "strength": 0.5}, "adapters[0].strength", "as text"),
        ({"name": "a", "image": "i", "strength": "nan"}, "adapters[0].strength", "from 0 to 1"),
        ({"name": "a", "image": "i", "strength": "0.\u0665"}, "adapters[0].strength", "from 0 to 1"),
        ({"name": "a", "image": "i", "strength": "0." + "3" * 31}, "adapters[0].strength", "33 characters"),
        ({"name": "a", "image": "i", "digest": "abc"}, "adapters[0].digest", "64 digits"),
        ({"name": "a", "image": "i", "aliases": "b"}, "adapters[0].aliases", "list of names"),
        ({"name": "a", "image": "i", "aliases": ["a"]}, "adapters[0].aliases", "already"),
        ({"name": "a", "image": "i", "force": True}, "adapters[0].force", "not known"),
        ("a", "adapters[0]", "no object"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_place(entry: Any, field: str, says: str) -> None:
    with pytest.raises(InvalidSetError, match=says) as caught:
        a_set(entry)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"\xff", b"[" * 100_000, b'{"generation": 1}', b'{"generation": -1, "adapters": []}',
        b'{"generation": true, "adapters": []}', b'{"contractVersion": 2, "generation": 1, "adapters": []}',
        b'{"generation": 1, "adapters": [], "more": 1}',
    ],
)  # fmt: skip
def test_what_is_no_set_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidSetError):
        parse_set(content)


def test_one_at_fault_is_named_with_a_reason() -> None:
    with pytest.raises(InvalidSetError) as caught:
        a_set({"name": "a", "image": "i"}, {"name": "a", "image": "j"})
    assert (caught.value.adapter, caught.value.reason) == ("a", "NameTaken")


def test_one_that_is_put_by_itself_has_the_name_of_its_path() -> None:
    assert parse_one(b'{"path": "/a"}', "pirate") == {"name": "pirate", "path": "/a"}
    with pytest.raises(InvalidSetError, match="Make them the same"):
        parse_one(b'{"name": "other", "path": "/a"}', "pirate")


def test_a_folder_may_have_a_name_in_any_script() -> None:
    assert parse_one('{"path": "/モデル/é 🦜"}', "a")["path"] == "/モデル/é 🦜"


def test_the_higher_generation_holds() -> None:
    first, second = a_set(generation=1), a_set(generation=2)
    assert newer(first, second) is second
    assert newer(second, first) is second
    assert newer(None, first) is first
    same = a_set({"name": "a", "image": "i"}, generation=2)
    assert newer(second, same) is second
