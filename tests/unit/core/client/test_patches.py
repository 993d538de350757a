"""A patch is the smallest that makes the base what is wanted."""

from typing import Any

import jsonpatch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaito.core import json_patch_from, merge_from

JSON = st.recursive(
    st.one_of(st.integers(0, 2), st.text(max_size=3), st.booleans(), st.lists(st.integers(0, 3), max_size=4)),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c/d", "~"]), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

BASE = {
    "metadata": {"name": "a", "resourceVersion": "7", "labels": {"x": "1", "y": "2"}},
    "spec": {"replicas": 1, "list": [1, 2], "on": True},
}


def applied(old: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


def changed(**parts: Any) -> dict[str, Any]:
    return {**BASE, **parts}


@UNHURRIED
@given(OBJECTS, OBJECTS)
def test_the_patch_makes_the_old_object_the_new_one(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert repr_of(applied(old, merge_from(old, new))) == repr_of(new)
    assert repr_of(jsonpatch.apply_patch(old, json_patch_from(old, new))) == repr_of(new)


def repr_of(value: Any) -> Any:
    """A form in which True is not 1 and the order of names does not count."""
    if isinstance(value, dict):
        return sorted((name, repr_of(inner)) for name, inner in value.items())
    return [repr_of(inner) for inner in value] if isinstance(value, list) else repr(value)


@UNHURRIED
@given(OBJECTS)
def test_equal_objects_need_no_patch(obj: dict[str, Any]) -> None:
    assert merge_from(obj, obj) == {}
    assert json_patch_from(obj, obj) == []


@pytest.mark.parametrize(
    ("wanted", "patch"),
    [
        (changed(spec={"replicas": 2, "list": [1, 2], "on": True}), {"spec": {"replicas": 2}}),
        (changed(spec={"replicas": 1, "list": [1], "on": True}), {"spec": {"list": [1]}}),
        (changed(spec={"replicas": 1, "list": [1, 2]}), {"spec": {"on": None}}),
        (changed(spec={"replicas": True, "list": [1, 2], "on": True}), {"spec": {"replicas": True}}),
        (changed(status={"ready": 1}), {"status": {"ready": 1}}),
        ({"metadata": BASE["metadata"]}, {"spec": None}),
    ],
)
def test_a_merge_patch_holds_what_differs_and_nothing_else(wanted: dict[str, Any], patch: dict[str, Any]) -> None:
    assert merge_from(BASE, wanted) == patch
    locked = merge_from(BASE, wanted, optimistic_lock=True)
    assert locked == {**patch, "metadata": {"resourceVersion": "7"}}


def test_the_lock_is_of_the_base_and_leaves_the_other_metadata_in_the_patch() -> None:
    wanted = changed(metadata={"name": "a", "resourceVersion": "9", "labels": {"x": "1"}})
    assert merge_from(BASE, wanted, optimistic_lock=True) == {
        "metadata": {"labels": {"y": None}, "resourceVersion": "7"}
    }
    test, *rest = json_patch_from(BASE, changed(spec={}), optimistic_lock=True)
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert {operation["op"] for operation in rest} == {"remove"}


def test_nothing_to_change_is_no_patch_even_with_a_lock() -> None:
    assert merge_from(BASE, BASE, optimistic_lock=True) == {}
    assert json_patch_from(BASE, BASE, optimistic_lock=True) == []
