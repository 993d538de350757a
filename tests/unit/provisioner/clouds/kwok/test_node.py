"""What a node without a machine says of itself."""

from datetime import UTC, datetime

import pytest

from kaito.api.machine import Taint
from kaito.provisioner.clouds import Claim, SkuNotAvailableError
from kaito.provisioner.clouds.kwok.node import heartbeat, instance_of, is_going, node_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SKU = "Standard_NC6s_v3"
CLAIM = Claim(
    "ws1",
    (SKU,),
    labels={"kaito.sh/workspace": "phi", "topology.kubernetes.io/zone": "mine", "kaito.sh/cloud": "other"},
    taints=(Taint(key="sku", value="gpu", effect="NoSchedule"),),
    requests={"storage": "80Gi"},
)


def test_it_has_the_capacity_of_its_instance_type_and_is_ready():
    node = node_of(CLAIM, SKU, NOW)
    assert node["spec"]["providerID"] == "kwok:///ws1"
    assert node["spec"]["taints"] == [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}]
    assert node["status"]["allocatable"] == {
        "cpu": "6",
        "memory": "112Gi",
        "ephemeral-storage": "80Gi",
        "pods": "110",
        "nvidia.com/gpu": "1",
    }
    (ready,) = node["status"]["conditions"]
    assert (ready["type"], ready["status"], ready["lastHeartbeatTime"]) == ("Ready", "True", "2026-01-02T03:04:05Z")


def test_the_labels_of_the_claim_win_but_the_one_it_is_found_by():
    labels = node_of(CLAIM, SKU, NOW)["metadata"]["labels"]
    assert labels["topology.kubernetes.io/zone"] == "mine"
    assert labels["kaito.sh/workspace"] == "phi"
    assert labels["kaito.sh/cloud"] == "kwok"


def test_a_heartbeat_keeps_the_time_since_when_it_is_ready():
    (ready,) = heartbeat(NOW, "2026-01-01T00:00:00Z")["conditions"]
    assert ready["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert ready["lastHeartbeatTime"] == "2026-01-02T03:04:05Z"


def test_an_unknown_instance_type_is_not_sold():
    with pytest.raises(SkuNotAvailableError):
        node_of(CLAIM, "Standard_Nothing", NOW)


def test_a_node_is_read_as_the_instance_that_it_stands_for():
    node = node_of(CLAIM, SKU, NOW)
    node["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z"
    instance = instance_of(node)
    assert (instance.name, instance.provider_id, instance.instance_type) == ("ws1", "kwok:///ws1", SKU)
    assert instance.created_at == NOW
    assert not is_going(node)
    assert is_going({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}})
