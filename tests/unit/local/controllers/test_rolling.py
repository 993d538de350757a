"""The numbers of a rolling update."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.local.controllers.deployment.rolling import Limits, limits, new_size, old_sizes, proportional_sizes


def replica_set(name: str, replicas: int, available: int | None = None) -> dict[str, Any]:
    served = replicas if available is None else available
    return {"metadata": {"name": name}, "spec": {"replicas": replicas}, "status": {"availableReplicas": served}}


def spec(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%") -> dict[str, Any]:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (spec(10), Limits(3, 2)),
        (spec(1), Limits(1, 0)),
        (spec(1, 0, 1), Limits(0, 1)),
        (spec(4, 0, 0), Limits(0, 1)),
        (spec(2, 1, 5), Limits(1, 2)),
        ({"replicas": 3, "strategy": {"type": "Recreate"}}, Limits(0, 0)),
        ({}, Limits(1, 0)),
    ],
)
def test_surge_rounds_up_unavailable_rounds_down_and_both_are_never_zero(written: Any, expected: Limits) -> None:
    assert limits(written) == expected


@pytest.mark.parametrize(
    ("written", "new", "old", "expected"),
    [
        (spec(3), None, [], 3),
        (spec(1, 0, 1), None, [replica_set("a", 1)], 0),
        (spec(1, 1, 0), None, [replica_set("a", 1)], 1),
        (spec(10, 3, 2), replica_set("b", 3), [replica_set("a", 10)], 3),
        (spec(10, 3, 2), replica_set("b", 3), [replica_set("a", 7)], 6),
        (spec(2), replica_set("b", 5), [], 2),
    ],
)
def test_the_new_replica_set_grows_as_far_as_the_surge_allows(written: Any, new: Any, old: Any, expected: int) -> None:
    assert new_size(written, new, old) == expected


def test_pods_that_serve_nobody_go_first() -> None:
    old = [replica_set("a", 3, available=3), replica_set("b", 3, available=0)]
    assert old_sizes(spec(5, 1, 1), replica_set("new", 0), old) == {"b": 1}


def test_with_no_surge_the_old_pod_goes_before_the_new_one_comes() -> None:
    written = spec(1, 0, 1)
    assert old_sizes(written, replica_set("new", 0), [replica_set("old", 1)]) == {"old": 0}
    assert new_size(written, replica_set("new", 0), [replica_set("old", 0)]) == 1


def test_with_surge_the_old_pod_stays_until_the_new_one_serves() -> None:
    written = spec(1, 1, 0)
    assert old_sizes(written, replica_set("new", 1, available=0), [replica_set("old", 1)]) == {}
    assert old_sizes(written, replica_set("new", 1, available=1), [replica_set("old", 1)]) == {"old": 0}


@given(
    replicas=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    sizes=st.lists(st.integers(0, 8), min_size=1, max_size=4),
    data=st.data(),
)
def test_scaling_down_never_drops_below_what_must_be_available(
    replicas: int, surge: int, unavailable: int, sizes: list[int], data: st.DataObject
) -> None:
    written = spec(replicas, surge, unavailable)
    sets = [replica_set(f"rs{i}", size, data.draw(st.integers(0, size))) for i, size in enumerate(sizes)]
    new, old = sets[0], sets[1:]
    after = old_sizes(written, new, old)
    by_name = {one["metadata"]["name"]: one for one in old}
    before = sum(one["status"]["availableReplicas"] for one in sets)
    lost = 0
    for name, size in after.items():
        one = by_name[name]
        assert 0 <= size < one["spec"]["replicas"]
        lost += max(0, one["status"]["availableReplicas"] - size)
    floor = replicas - limits(written).max_unavailable
    assert before - lost >= min(before, floor)


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 20), min_size=1), st.integers(0, 40))
def test_proportional_scaling_hands_out_exactly_the_total(sizes: dict[str, int], total: int) -> None:
    assert sum(proportional_sizes(total, sizes).values()) == total
