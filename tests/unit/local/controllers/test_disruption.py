"""How many pods of a PodDisruptionBudget may go."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.core.clock import timestamp
from kaito.local.controllers.disruption.decide import decide

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def budget(status: Any = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", "generation": 3}, "spec": spec, "status": status or {}}


def pod(name: str, *, ready: bool = True, owner: str = "rs", deleting: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "ownerReferences": [{"uid": owner, "controller": True}] if owner else []}
    if deleting:
        metadata["deletionTimestamp"] = timestamp(NOW)
    return {
        "metadata": metadata,
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def pods(count: int, *, ready: int | None = None) -> list[dict[str, Any]]:
    return [pod(f"p{number}", ready=ready is None or number < ready) for number in range(count)]


@pytest.mark.parametrize(
    ("spec", "found", "scale", "expected"),
    [
        ({"minAvailable": 1}, pods(2), 2, (1, 2, 1, 2)),
        ({"minAvailable": 2}, pods(2), 2, (0, 2, 2, 2)),
        ({"minAvailable": 1}, pods(2, ready=1), 2, (0, 1, 1, 2)),
        ({"minAvailable": 1}, [pod("a", deleting=True), pod("b")], 2, (0, 1, 1, 1)),
        ({"minAvailable": "50%"}, pods(3), 3, (1, 3, 2, 3)),
        ({"maxUnavailable": 1}, pods(2), 3, (0, 2, 2, 3)),
        ({"maxUnavailable": "50%"}, pods(3), 3, (2, 3, 1, 3)),
        ({"maxUnavailable": 5}, pods(2), 2, (2, 2, 0, 2)),
        ({"maxUnavailable": 1}, [pod("a", owner="")], 2, (0, 1, 0, 0)),
        ({"minAvailable": 0}, [], 2, (0, 0, 0, 0)),
        ({}, pods(2), 2, (2, 2, 0, 2)),
    ],
)
def test_what_may_go(spec: Any, found: Any, scale: int, expected: tuple[int, int, int, int]) -> None:
    status = decide(budget(**spec), found, {"rs": scale}, NOW).status
    names = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    assert tuple(status[name] for name in names) == expected
    reason = "SufficientPods" if expected[0] else "InsufficientPods"
    assert [one["reason"] for one in status["conditions"]] == [reason]
    assert status["observedGeneration"] == status["conditions"][0]["observedGeneration"] == 3


def test_an_eviction_counts_until_its_pod_goes_or_two_minutes_are_over() -> None:
    since = timestamp(NOW - timedelta(seconds=90))
    one = budget({"disruptedPods": {"p0": since, "gone": since}}, minAvailable=1)
    decision = decide(one, pods(2), {"rs": 2}, NOW)
    assert decision.status["disruptedPods"] == {"p0": since}
    assert decision.status["disruptionsAllowed"] == 0
    assert decision.requeue_after == 30
    later = decide(one, pods(2), {"rs": 2}, NOW + timedelta(seconds=30))
    assert "disruptedPods" not in later.status
    assert later.status["disruptionsAllowed"] == 1


def test_a_second_look_changes_nothing() -> None:
    first = decide(budget(minAvailable=1), pods(2), {"rs": 2}, NOW).status
    again = decide(budget(first, minAvailable=1), pods(2), {"rs": 2}, NOW + timedelta(hours=1)).status
    assert again == first


@given(st.integers(0, 6), st.integers(0, 6), st.sampled_from(["minAvailable", "maxUnavailable"]), st.integers(0, 8))
def test_never_more_than_is_healthy_and_what_is_left_is_enough(ready: int, others: int, name: str, amount: int) -> None:
    found = pods(ready + others, ready=ready)
    status = decide(budget(**{name: amount}), found, {"rs": len(found)}, NOW).status
    left = ready - status["disruptionsAllowed"]
    assert left >= 0
    if status["disruptionsAllowed"]:
        assert left >= (amount if name == "minAvailable" else len(found) - amount)
