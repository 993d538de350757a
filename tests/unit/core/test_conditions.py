"""The transition time of a condition moves only when its status does."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from kaito.core import condition, with_condition, without_condition
from kaito.core.conditions import transition_time

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"
BEFORE = {
    "type": "Ready",
    "status": "True",
    "reason": "R",
    "message": "m",
    "lastTransitionTime": OLD,
    "lastUpdateTime": OLD,
    "observedGeneration": 1,
}
OTHER = {"type": "Other", "status": "True"}


@pytest.mark.parametrize(
    ("changes", "transition", "update"),
    [
        ({}, OLD, OLD),
        ({"message": "n", "observedGeneration": 2}, OLD, OLD),
        ({"reason": "S"}, OLD, NEW),
        ({"status": "False"}, NEW, NEW),
        ({"status": "Unknown", "reason": "S"}, NEW, NEW),
    ],
)
def test_times_move_with_status_and_reason(changes, transition, update):
    wanted = {**BEFORE, "lastTransitionTime": NEW, "lastUpdateTime": NEW, **changes}
    first, ready, last = with_condition([OTHER, BEFORE, {**OTHER, "type": "Last"}], wanted)
    assert (first, last["type"]) == (OTHER, "Last")
    assert ready == {**wanted, "lastTransitionTime": transition, "lastUpdateTime": update}


def test_conditions_are_added_found_and_removed():
    conditions = with_condition([OTHER], BEFORE)
    assert conditions == [OTHER, BEFORE]
    assert condition({"conditions": conditions}, "Ready") == BEFORE
    assert condition({}, "Ready") is None
    assert without_condition(conditions, "Ready") == [OTHER]


@pytest.mark.parametrize(
    ("before", "moved"), [(None, True), (("True", OLD), False), (("False", OLD), True), (("True", ""), True)]
)
def test_the_time_of_a_model_follows_the_same_rule(before, moved):
    known = before and SimpleNamespace(status=before[0], last_transition_time=before[1])
    now = datetime(2026, 2, 2, tzinfo=UTC)
    assert transition_time(known, "True", now) == (NEW if moved else OLD)
