"""A patch holds what differs and nothing else."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaito.core.objects import Object
from kaito.provisioner.node import NODE
from kaito.provisioner.patches import machine_patch, merge_patch, node_patch, status_patch

JSON = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.lists(st.integers(), max_size=3)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


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


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(OBJECTS, OBJECTS)
def test_the_patch_makes_the_old_object_the_new_one(old: Object, new: Object) -> None:
    assert applied(old, merge_patch(old, new)) == new


@UNHURRIED
@given(OBJECTS)
def test_equal_objects_need_no_patch(obj: Object) -> None:
    assert merge_patch(obj, obj) == {}


def test_a_machines_patches_are_bound_to_its_uid(world: Any, new_machine: Any) -> None:
    world.server.add(new_machine())
    old = world.machine()
    new = old.model_copy(
        update={
            "metadata": old.metadata.model_copy(update={"finalizers": ("f",)}),
            "status": old.status.model_copy(update={"node_name": "n"}),
        }
    )
    assert machine_patch(old, old) == status_patch(old, old) == {}
    assert machine_patch(old, new) == {
        "metadata": {"uid": old.metadata.uid, "resourceVersion": old.metadata.resource_version, "finalizers": ("f",)}
    }
    assert status_patch(old, new) == {"metadata": {"uid": old.metadata.uid}, "status": {"nodeName": "n"}}


@pytest.mark.parametrize("what", ["labels", "taints"])
def test_a_nodes_patch_carries_its_version_only_where_a_list_is_replaced(world: Any, new_node: Any, what: str) -> None:
    world.server.add(new_node())
    old = world.server.get(NODE, next(key for kind, key in world.server.objects))
    new = (
        old.with_metadata(labels={**old.metadata.labels, "a": "b"})
        if what == "labels"
        else old.with_spec(unschedulable=True)
    )
    patch = node_patch(old, new)
    assert patch["metadata"]["uid"] == old.metadata.uid
    assert "resourceVersion" not in patch["metadata"]
    assert node_patch(old, old) == {}
    finalized = node_patch(old, old.with_metadata(finalizers=("f",)))
    assert finalized["metadata"]["resourceVersion"] == old.metadata.resource_version
