import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.apiserver.schema import StructuralSchema, builtin_schema


def schema(spec):
    return StructuralSchema.from_openapi(
        {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
    )


DEEP = schema(
    {
        "mode": {"type": "string", "default": "auto"},
        "box": {"type": "object", "default": {}, "properties": {"size": {"type": "integer", "default": 3}}},
        "lid": {"type": "object", "properties": {"size": {"type": "integer", "default": 4}}},
        "note": {"type": "string", "nullable": True, "default": "none"},
        "list": {
            "type": "array",
            "items": {"type": "object", "properties": {"port": {"type": "integer", "default": 80}}},
        },
        "map": {
            "type": "object",
            "additionalProperties": {"type": "object", "properties": {"x": {"type": "integer", "default": 1}}},
        },
        "free": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"known": {"type": "object"}},
        },
    }
)


@pytest.mark.parametrize(
    ("given_spec", "defaulted"),
    [
        ({}, {"mode": "auto", "box": {"size": 3}, "note": "none"}),
        ({"mode": "x", "note": "y", "box": {"size": 9}}, {"mode": "x", "note": "y", "box": {"size": 9}}),
        ({"mode": None, "note": None}, {"mode": "auto", "note": None, "box": {"size": 3}}),
        ({"lid": {}}, {"mode": "auto", "box": {"size": 3}, "note": "none", "lid": {"size": 4}}),
        (
            {"list": [{}, {"port": 1}]},
            {"mode": "auto", "box": {"size": 3}, "note": "none", "list": [{"port": 80}, {"port": 1}]},
        ),
        ({"map": {"a": {}}}, {"mode": "auto", "box": {"size": 3}, "note": "none", "map": {"a": {"x": 1}}}),
    ],
)
def test_absent_fields_get_their_defaults_at_every_depth(given_spec, defaulted):
    assert DEEP.default({"spec": given_spec}) == {"spec": defaulted}


@pytest.mark.parametrize(
    ("given_spec", "expected"),
    [
        ({}, {}),
        ({"mode": None, "box": None}, {"mode": "auto", "box": {"size": 3}}),
        ({"lid": None, "note": None, "unknown": None}, {"lid": None, "note": None, "unknown": None}),
        ({"lid": {"size": None}, "list": [{"port": None}, {}]}, {"lid": {"size": 4}, "list": [{"port": 80}, {}]}),
    ],
    ids=["nothing", "with a default", "without one, or nullable", "within"],
)
def test_defaults_for_nulls_take_the_place_of_nulls_alone(given_spec, expected):
    assert DEEP.default_nulls({"spec": given_spec}) == {"spec": expected}


def test_a_default_is_not_shared_between_objects():
    first, second = DEEP.default({"spec": {}}), DEEP.default({"spec": {}})
    first["spec"]["box"]["size"] = 0
    assert second["spec"]["box"]["size"] == 3


def test_defaulting_leaves_its_argument_alone():
    obj = {"spec": {"list": [{}]}}
    DEEP.default(obj)
    assert obj == {"spec": {"list": [{}]}}


def test_unknown_fields_are_dropped_and_named():
    obj = {
        "apiVersion": "x/v1",
        "kind": "X",
        "metadata": {"name": "a", "bogus": 1},
        "extra": 1,
        "spec": {"mode": "x", "typo": 1, "list": [{"port": 1}, {"prt": 2}], "map": {"k": {"y": 1}}},
    }
    assert DEEP.prune(obj) == ["extra", "metadata.bogus", "spec.list[1].prt", "spec.map.k.y", "spec.typo"]
    assert obj["spec"] == {"mode": "x", "list": [{"port": 1}, {}], "map": {"k": {}}}
    assert obj["metadata"] == {"name": "a"}


def test_unknown_fields_stay_where_they_are_preserved_but_not_below_a_known_one():
    obj = {"spec": {"free": {"anything": {"goes": 1}, "known": {"not": 1}}}}
    assert DEEP.prune(obj) == ["spec.free.known.not"]
    assert obj["spec"]["free"] == {"anything": {"goes": 1}, "known": {}}


def test_an_embedded_resource_keeps_its_identity():
    embedded = schema({"template": {"type": "object", "x-kubernetes-embedded-resource": True}})
    obj = {"spec": {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {}}}}
    assert embedded.prune(obj) == ["spec.template.spec"]


def test_unknown_fields_of_built_in_kinds_are_named():
    obj = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "imagee": "b"}]}}
    assert builtin_schema("v1", "Pod").prune(obj) == ["spec.containers[0].imagee"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mode", "box", "size", "list", "map", "free", "known", "?"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_pruning_twice_finds_nothing_more(spec):
    obj = {"spec": spec}
    DEEP.prune(obj)
    once = copy.deepcopy(obj)
    assert DEEP.prune(obj) == []
    assert obj == once


@given(JSON)
def test_defaulting_twice_changes_nothing_more(spec):
    once = DEEP.default({"spec": spec})
    assert DEEP.default(once) == once


@given(JSON)
def test_validation_survives_any_json(spec):
    assert all(str(error) for error in DEEP.validate({"spec": spec}))
