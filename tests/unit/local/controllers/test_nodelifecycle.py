"""What a node's silence means."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kaito.core.clock import micro_timestamp, timestamp
from kaito.local.controllers.nodelifecycle.decide import eviction_wait, judge_node, not_ready_conditions, wanted_taints
from kaito.local.controllers.scheduler.taints import NOT_READY, UNREACHABLE

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)


def node(ready: str = "True", taints: Any = ()) -> dict[str, Any]:
    return {
        "metadata": {"name": "n", "creationTimestamp": timestamp(LONG_AGO)},
        "spec": {"taints": list(taints)},
        "status": {"conditions": [{"type": "Ready", "status": ready, "lastHeartbeatTime": timestamp(LONG_AGO)}]},
    }


def lease(seconds_old: float) -> dict[str, Any]:
    return {"spec": {"renewTime": micro_timestamp(NOW - timedelta(seconds=seconds_old))}}


def test_a_node_with_a_fresh_lease_is_left_alone_and_looked_at_again_when_it_would_be_old() -> None:
    decision = judge_node(node(), lease(10), LONG_AGO, NOW)
    assert (decision.conditions, decision.taints, decision.unreachable) == (None, None, False)
    assert decision.requeue_after == 31


def test_a_node_whose_lease_is_older_than_forty_seconds_is_unknown_and_tainted() -> None:
    decision = judge_node(node(), lease(41), LONG_AGO, NOW)
    assert decision.conditions is not None
    assert decision.conditions[0]["status"] == "Unknown"
    assert decision.conditions[0]["reason"] == "NodeStatusUnknown"
    assert decision.taints is not None
    assert [(taint["key"], taint["effect"]) for taint in decision.taints] == [
        (UNREACHABLE, "NoSchedule"),
        (UNREACHABLE, "NoExecute"),
    ]


def test_after_a_pause_of_the_whole_cluster_no_node_is_to_blame() -> None:
    decision = judge_node(node(), lease(3600), NOW - timedelta(seconds=2), NOW)
    assert not decision.unreachable


def test_judging_twice_changes_nothing() -> None:
    first = judge_node(node(), lease(100), LONG_AGO, NOW)
    assert first.conditions is not None
    after = node()
    after["status"]["conditions"], after["spec"]["taints"] = first.conditions, first.taints
    second = judge_node(after, lease(101), LONG_AGO, NOW + timedelta(seconds=1))
    assert (second.conditions, second.taints) == (None, None)


@pytest.mark.parametrize(("ready", "key"), [("True", None), ("False", NOT_READY), ("Unknown", UNREACHABLE)])
def test_taints_follow_readiness_and_keep_those_of_others(ready: str, key: str | None) -> None:
    other = {"key": "sku", "value": "gpu", "effect": "NoSchedule"}
    stale = {"key": UNREACHABLE if key != UNREACHABLE else NOT_READY, "effect": "NoSchedule"}
    taints = wanted_taints(node(taints=[other, stale]), ready, NOW)
    assert taints[0] == other
    assert {taint["key"] for taint in taints[1:]} == ({key} if key else set())


def taint(key: str, seconds_ago: float = 0) -> dict[str, Any]:
    return {"key": key, "effect": "NoExecute", "timeAdded": timestamp(NOW - timedelta(seconds=seconds_ago))}


@pytest.mark.parametrize(
    ("tolerations", "taints", "wait"),
    [
        ([], [], None),
        ([], [taint(UNREACHABLE)], 300),
        ([], [taint(UNREACHABLE, 400)], 0),
        ([], [taint("maintenance")], 0),
        ([{"operator": "Exists"}], [taint("maintenance")], None),
        ([{"key": "maintenance", "operator": "Exists", "tolerationSeconds": 60}], [taint("maintenance", 20)], 40),
        ([], [{"key": "x", "effect": "NoSchedule"}], None),
    ],
)
def test_pods_leave_when_their_toleration_is_over(tolerations: Any, taints: Any, wait: float | None) -> None:
    assert eviction_wait({"spec": {"tolerations": tolerations}}, taints, NOW) == wait


def test_pods_of_a_silent_node_stop_being_ready_once() -> None:
    pod = {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]}}
    conditions = not_ready_conditions(pod, NOW)
    assert conditions is not None
    assert [item["status"] for item in conditions] == ["False", "True"]
    assert not_ready_conditions({"status": {"conditions": conditions}}, NOW) is None
