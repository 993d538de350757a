"""What is wanted: a set is read strictly, and three origins become one."""

import json
from typing import Any

import pytest

from kaito.contracts import AdapterSet, WantedAdapter
from kaito.runtime.adapters.wanted import InvalidSetError, Wanted, merge, newer, parse_one, parse_set

DIGEST = "sha256:" + "a" * 64


def a_set(*adapters: dict[str, Any], generation: int = 1) -> AdapterSet:
    return parse_set(json.dumps({"contractVersion": 1, "generation": generation, "adapters": adapters}))


def folder(name: str, mark: str = "m") -> Wanted:
    return Wanted(name, "directory", {"name": name, "path": f"/mnt/adapter/{name}"}, mark=mark)


def test_a_whole_set_is_read() -> None:
    adapter = {
        "name": "pirate", "image": "registry.example/pirate:1", "imagePullSecrets": ["pull"], "digest": DIGEST,
        "strength": "0.5", "aliases": ["prod"],
    }  # fmt: skip
    read = a_set(adapter, {"name": "b", "hub": "me/b@main"}, {"name": "c", "urls": ["https://example.com/c.tar"]})
    assert [each["name"] for each in read["adapters"]] == ["pirate", "b", "c"]


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
        ({"name": "a", "image": "i", "strength": "2"}, "adapters[0].strength", "from 0 to 1"),
        ({"name": "a", "image": "i", "strength": 0.5}, "adapters[0].strength", "as text"),
        ({"name": "a", "image": "i", "strength": "nan"}, "adapters[0].strength", "from 0 to 1"),
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


def test_of_two_with_one_name_the_first_origin_s_is_served_and_says_so() -> None:
    single = WantedAdapter(name="a", path="/api")
    merged = merge(a_set({"name": "a", "image": "set"}), [single], [folder("a"), folder("b")], ())
    assert {name: each.origin for name, each in merged.wanted.items()} == {"a": "set", "b": "directory"}
    assert "passed over" in merged.wanted["a"].note
    assert merge(None, [single], [folder("a")], ()).wanted["a"].origin == "api"


def test_the_folder_that_a_set_names_itself_is_no_second_adapter() -> None:
    merged = merge(a_set({"name": "a", "path": "/mnt/adapter/a", "strength": "0.5"}), [], [folder("a")], ())
    assert (merged.wanted["a"].strength, merged.wanted["a"].note) == ("0.5", "")


@pytest.mark.parametrize(
    ("adapters", "folders", "refused"),
    [
        ([{"name": "phi", "image": "i"}], [], ["phi"]),
        ([{"name": "a", "image": "i", "aliases": ["phi"]}], [], ["a"]),
        ([{"name": "a", "image": "i", "aliases": ["b"]}], [folder("b")], ["b"]),
        ([{"name": "a", "image": "i"}], [folder("ws")], ["ws"]),
    ],
)
def test_a_name_that_is_taken_is_refused_and_the_others_are_served(
    adapters: list[dict[str, Any]], folders: list[Wanted], refused: list[str]
) -> None:
    merged = merge(a_set(*adapters, {"name": "good", "image": "i"}), [], folders, {"phi", "ws"})
    assert [each.name for each in merged.refused] == refused
    assert {each.reason for each in merged.refused} == {"NameTaken"}
    assert "good" in merged.wanted


def test_a_folder_whose_name_nobody_can_ask_for_is_refused() -> None:
    merged = merge(None, [], [folder("a b"), folder("Pirate_2.0")], ())
    assert [each.name for each in merged.refused] == ["a b"]
    assert list(merged.wanted) == ["Pirate_2.0"]


def test_the_higher_generation_holds() -> None:
    first, second = a_set(generation=1), a_set(generation=2)
    assert newer(first, second) is second
    assert newer(second, first) is second
    assert newer(None, first) is first
    same = a_set({"name": "a", "image": "i"}, generation=2)
    assert newer(second, same) is second


def test_another_strength_or_content_is_something_new_and_another_alias_is_not() -> None:
    one = Wanted("a", "set", {"name": "a", "path": "/a"}, mark="1")
    assert one.same_content(Wanted("a", "api", {"name": "a", "path": "/a", "aliases": ["b"]}, mark="1"))
    assert not one.same_content(Wanted("a", "set", {"name": "a", "path": "/a", "strength": "0.5"}, mark="1"))
    assert not one.same_content(Wanted("a", "set", {"name": "a", "path": "/a"}, mark="2"))


@pytest.mark.parametrize(("text", "shown"), [("1.0", "1"), ("0.50", "0.5"), (".5", "0.5"), ("0", "0"), (None, "1")])
def test_one_strength_has_one_spelling(text: str | None, shown: str) -> None:
    assert Wanted("a", "set", {"strength": text}).strength == shown
