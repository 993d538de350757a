import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.apiserver.patch import json_merge_patch
from kaito.core.errors import InvalidError

LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=3)
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


# The table of RFC 7386, appendix A, where both sides are objects.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merges_as_the_rfc_says(target, patch, result):
    assert json_merge_patch(target, patch) == result


def test_refuses_a_patch_that_is_no_object():
    with pytest.raises(InvalidError) as caught:
        json_merge_patch({}, ["a"])
    assert caught.value.code == 400


@given(OBJECTS, OBJECTS)
def test_merging_the_same_patch_again_changes_nothing(target, patch):
    once = json_merge_patch(target, patch)
    assert json_merge_patch(once, patch) == once


@given(OBJECTS, OBJECTS)
def test_neither_side_is_written_to(target, patch):
    before = copy.deepcopy((target, patch))
    result = json_merge_patch(target, patch)
    for value in result.values():
        if isinstance(value, list):
            value.append("mark")
    assert (target, patch) == before or any(result.get(name) is target.get(name) for name in target)


@given(OBJECTS)
def test_an_empty_patch_changes_nothing(target):
    assert json_merge_patch(target, {}) == target
