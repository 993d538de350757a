"""Three origins become one."""

import json
from typing import Any

import pytest

from kaito.contracts import AdapterSet, WantedAdapter
from kaito.runtime.adapters.adapter_set import parse_set
from kaito.runtime.adapters.wanted import Wanted, merge


def a_set(*adapters: dict[str, Any], generation: int = 1) -> AdapterSet:
    return parse_set(json.dumps({"contractVersion": 1, "generation": generation, "adapters": adapters}))


def folder(name: str, mark: str = "m") -> Wanted:
    return Wanted(name, "directory", {"name": name, "path": f"/mnt/adapter/{name}"}, mark=mark)


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


def test_another_strength_or_content_is_something_new_and_another_alias_is_not() -> None:
    one = Wanted("a", "set", {"name": "a", "path": "/a"}, mark="1")
    assert one.same_content(Wanted("a", "api", {"name": "a", "path": "/a", "aliases": ["b"]}, mark="1"))
    assert not one.same_content(Wanted("a", "set", {"name": "a", "path": "/a", "strength": "0.5"}, mark="1"))
    assert not one.same_content(Wanted("a", "set", {"name": "a", "path": "/a"}, mark="2"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1.0", "1"), ("0.50", "0.5"), (".5", "0.5"), ("0", "0"), ("0.000", "0"), (None, "1"),
        ("0.33333331", "0.33333331"), ("0.6666666666666666", "0.6666666666666666"), ("0.00000010", "0.0000001"),
    ],
)  # fmt: skip
def test_one_strength_has_one_spelling(text: str | None, shown: str) -> None:
    assert Wanted("a", "set", {"strength": text}).strength == shown
