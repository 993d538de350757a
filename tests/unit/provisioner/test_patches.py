"""A patch holds what differs and nothing else."""

from typing import Any

import pytest

from kaito.provisioner.node import NODE
from kaito.provisioner.patches import machine_patch, node_patch, status_patch


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
