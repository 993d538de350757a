"""An object is written again only when it means something else."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.core.client.meaning import already_says


def pod(**container):
    return {"spec": {"containers": [{"name": "c", **container}]}}


SAME = {
    "defaults that the server added": (
        {"spec": {"replicas": 1, "strategy": {"type": "RollingUpdate"}}},
        {"spec": {"replicas": 1}},
    ),
    "a quantity in other words": (
        pod(resources={"limits": {"cpu": "500m", "memory": "1Gi"}}),
        pod(resources={"limits": {"cpu": "0.5", "memory": "1024Mi"}}),
    ),
    "a quantity as a number": (pod(resources={"requests": {"cpu": "2"}}), pod(resources={"requests": {"cpu": 2}})),
    "an empty string that was dropped": ({"spec": {}}, {"spec": {"clusterName": ""}}),
    "an empty list that was dropped": ({"spec": {}}, {"spec": {"tolerations": []}}),
    "empty labels that were dropped": ({"metadata": {}}, {"metadata": {"labels": {}}}),
    "false that was dropped": ({"spec": {}}, {"spec": {"hostNetwork": False}}),
    "null": ({"spec": {}}, {"spec": {"x": None}}),
    "a container that was injected": (
        {"spec": {"containers": [{"name": "proxy"}, {"name": "c", "image": "i", "imagePullPolicy": "Always"}]}},
        {"spec": {"containers": [{"name": "c", "image": "i"}]}},
    ),
    "a port whose protocol was filled in": (
        {"ports": [{"containerPort": 80, "protocol": "TCP"}]},
        {"ports": [{"containerPort": 80}]},
    ),
    "a condition of another writer": (
        {"status": {"conditions": [{"type": "B", "status": "True"}, {"type": "A", "status": "True"}]}},
        {"status": {"conditions": [{"type": "A", "status": "True"}]}},
    ),
    "a finalizer of another controller": (
        {"metadata": {"finalizers": ["x", "y"]}},
        {"metadata": {"finalizers": ["y"]}},
    ),
    "an empty volume source that is there": (
        {"volumes": [{"name": "v", "emptyDir": {}}]},
        {"volumes": [{"name": "v", "emptyDir": {}}]},
    ),
}

DIFFERENT = {
    "a changed value": (pod(image="a"), pod(image="b")),
    "a missing field": (pod(), pod(image="b")),
    "a removed container": ({"containers": []}, {"containers": [{"name": "c"}]}),
    "another order of arguments": (pod(args=["a", "b"]), pod(args=["b", "a"])),
    "an argument that was added": (pod(args=["a", "b"]), pod(args=["a"])),
    "a quantity of another size": (
        pod(resources={"limits": {"cpu": "501m"}}),
        pod(resources={"limits": {"cpu": "0.5"}}),
    ),
    "text that only looks like a quantity": (
        pod(env=[{"name": "V", "value": "1.0"}]),
        pod(env=[{"name": "V", "value": "1"}]),
    ),
    "true against 1": ({"a": 1}, {"a": True}),
    "a toleration that was added, in an atomic list": (
        {"tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]},
        {"tolerations": [{"key": "a", "operator": "Exists"}]},
    ),
    "a volume that became another": (
        {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        {"volumes": [{"name": "v", "emptyDir": {}}]},
    ),
    "an empty string against a value": ({"a": "x"}, {"a": ""}),
    "another type": ({"a": "x"}, {"a": {"b": "c"}}),
}


@pytest.mark.parametrize(("live", "desired"), SAME.values(), ids=SAME)
def test_another_spelling_is_no_difference(live, desired):
    assert already_says(live, desired)


@pytest.mark.parametrize(("live", "desired"), DIFFERENT.values(), ids=DIFFERENT)
def test_another_meaning_is_a_difference(live, desired):
    assert not already_says(live, desired)


_names = st.sampled_from(["name", "type", "spec", "limits", "labels", "x", "y", "finalizers"])
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "1", "500m", "0.5"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)),
    max_leaves=12,
)
_objects = st.dictionaries(_names, _values, max_size=4)


@given(_objects)
def test_an_object_says_all_that_it_says(obj):
    assert already_says(_without_nulls(obj), obj)


@given(_objects, _objects)
def test_fields_that_are_added_make_no_difference(obj, more):
    live = _without_nulls(obj)
    added = {**{f"server-{name}": value for name, value in more.items()}, **live}
    assert already_says(added, obj)


@given(_objects)
def test_neither_side_is_changed_by_the_comparison(obj):
    before = copy.deepcopy(obj)
    already_says(obj, obj)
    assert obj == before


@given(_objects, st.sampled_from(["spec", "x"]))
def test_a_changed_leaf_is_always_seen(obj, name):
    desired = {**obj, name: "changed"}
    live = {**_without_nulls(obj), name: "original"}
    assert not already_says(live, desired)


def _without_nulls(value):
    """What a server stores: it drops nulls from maps."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value
