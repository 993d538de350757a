"""How many pods a ReplicaSet makes, which it deletes, and what it reports."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kaito.local.controllers.replicaset.decide import BURST, decide, pod_from, victims

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def replica_set(replicas: int, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web-1", "namespace": "default", "uid": "r", "generation": 1},
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}},
            **spec,
        },
    }


def pod(
    name: str,
    *,
    phase: str = "Running",
    node: str = "n",
    ready: str = "",
    created: str = "2026-01-01T00:00:00Z",
    restarts: int = 0,
    cost: str = "0",
    deleting: bool = False,
) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {"app": "web"},
        "creationTimestamp": created,
        "annotations": {"controller.kubernetes.io/pod-deletion-cost": cost},
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {"phase": phase, "conditions": conditions, "containerStatuses": [{"restartCount": restarts}]}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": status}


EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("doomed", "kept"),
    [
        (pod("a", node=""), pod("b")),
        (pod("a", phase="Pending"), pod("b", phase="Running")),
        (pod("a"), pod("b", ready=EARLY)),
        (pod("a", ready=EARLY, cost="-5"), pod("b", ready=LATE)),
        (pod("a", ready=LATE), pod("b", ready=EARLY)),
        (pod("a", ready=EARLY, restarts=3), pod("b", ready=EARLY)),
        (pod("b", ready=EARLY, created=LATE), pod("a", ready=EARLY, created=EARLY)),
    ],
    ids=["unassigned", "pending", "not ready", "cheap", "ready later", "restarted", "newer"],
)
def test_the_pod_least_worth_keeping_goes_first(doomed: Any, kept: Any) -> None:
    assert victims([kept, doomed], 1) == [doomed]
    assert victims([doomed, kept], 1) == [doomed]


def test_of_equal_pods_one_on_the_fuller_node_goes() -> None:
    pods = [pod("a", node="x", ready=EARLY), pod("b", node="y", ready=EARLY), pod("c", node="y", ready=EARLY)]
    assert victims(pods, 1)[0]["spec"]["nodeName"] == "y"


@pytest.mark.parametrize(
    ("replicas", "pods", "create", "delete"),
    [
        (2, [], 2, 0),
        (2, [pod("a")], 1, 0),
        (1, [pod("a"), pod("b")], 0, 1),
        (1, [pod("a", phase="Failed")], 1, 0),
        (1, [pod("a", deleting=True)], 1, 0),
        (0, [pod("a")], 0, 1),
        (10_000, [], BURST, 0),
    ],
)
def test_ended_and_deleted_pods_are_replaced(replicas: int, pods: Any, create: int, delete: int) -> None:
    decision = decide(replica_set(replicas), pods, NOW)
    assert (decision.create, len(decision.delete)) == (create, delete)


def test_a_replica_set_that_is_being_deleted_makes_no_pods() -> None:
    one = replica_set(1)
    one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert decide(one, [], NOW).create == 0


def test_availability_waits_for_min_ready_seconds_and_asks_to_be_looked_at_then() -> None:
    one = replica_set(1, minReadySeconds=30)
    decision = decide(one, [pod("a", ready="2026-01-02T03:04:00Z")], NOW)
    assert decision.status["readyReplicas"] == 1
    assert "availableReplicas" not in decision.status
    assert decision.requeue_after == 25


def test_a_pod_is_made_from_the_template_with_a_generated_name_and_its_owner() -> None:
    made = pod_from(replica_set(1))
    assert made["metadata"]["generateName"] == "web-1-"
    assert made["metadata"]["labels"] == {"app": "web"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "r"


def test_a_failure_stays_in_the_status_until_pods_can_be_made() -> None:
    one = replica_set(1)
    one["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True"}]}
    assert "conditions" in decide(one, [], NOW).status
    assert "conditions" not in decide(one, [pod("a")], NOW).status
