"""The pure parts of bench/runtime: which rounds are pairs, how sure a ratio is, which answers are right."""

import pytest
from bench.rows.row import Run
from bench.runtime.answers import Answered, Change, judge
from bench.runtime.interval import interval, order, pairs, ratios
from bench.runtime.rows.paired import Paired

ROUNDS = [
    Run("kaito", 1, {"CPU": 2.0}),
    Run("plain", 1, {"CPU": 1.0}),
    Run("plain", 2, {"CPU": 2.0}),
    Run("kaito", 2, {"CPU": 2.0}),
    Run("kaito", 3, {"CPU": 5.0}),
    Run("plain", 4, {"other": 5.0}),
]


def test_a_pair_is_what_both_showed_in_one_round_whoever_went_first() -> None:
    assert pairs(ROUNDS, "CPU", "kaito", "plain") == [(2.0, 1.0), (2.0, 2.0)]
    assert ratios(pairs(ROUNDS, "CPU", "kaito", "plain")) == [2.0, 1.0]


def test_the_one_who_goes_first_changes_with_each_round() -> None:
    assert [order(["a", "b"], number) for number in (1, 2, 3)] == [["a", "b"], ["b", "a"], ["a", "b"]]


def test_equal_rounds_leave_no_doubt() -> None:
    found = interval([1.1] * 8)
    assert (found.median, found.low, found.high) == (1.1, 1.1, 1.1)


def test_the_interval_holds_the_median_and_none_but_values_that_were_seen() -> None:
    values = [0.9, 0.95, 1.0, 1.01, 1.02, 1.05, 1.5]
    found = interval(values)
    assert min(values) <= found.low <= found.median == 1.01 <= found.high <= max(values)
    assert found == interval(values)


def test_more_rounds_of_the_same_spread_make_the_interval_narrower() -> None:
    values = [0.9, 0.95, 1.0, 1.05, 1.1]
    few, many = interval(values), interval(values * 12)
    assert many.high - many.low < few.high - few.low


def test_no_round_is_no_interval() -> None:
    with pytest.raises(ValueError, match="no value"):
        interval([])


@pytest.mark.parametrize(
    ("kaito", "met"),
    [([1.0] * 9, True), ([1.04] * 9, False), ([1.0] * 5 + [1.2] * 4, False)],
    ids=["equal", "the median is above", "the interval reaches above"],
)
def test_a_ratio_is_met_when_its_median_and_the_upper_end_of_its_interval_are(kaito: list[float], met: bool) -> None:
    runs = [Run("kaito", number, {"CPU": value}) for number, value in enumerate(kaito)]
    runs += [Run("plain", number, {"CPU": 1.0}) for number in range(len(kaito))]
    assert Paired("CPU", "kaito", "plain", 1.03, 1.05).verdict(runs).met is met


def test_a_ratio_without_a_peer_is_not_judged() -> None:
    assert Paired("CPU", "kaito", "plain", 1.03, 1.05).verdict([Run("kaito", 1, {"CPU": 1.0})]).met is None


REFERENCES = {"A": "yes", "B": "no"}
CHANGES = [Change(0.0, 0.0, "A"), Change(10.0, 12.0, "B"), Change(20.0, 21.0, "A")]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answered(1, 2, 200, "yes"), "right"),
        (Answered(1, 2, 200, "no"), "stale"),
        (Answered(9, 11, 200, "no"), "right"),
        (Answered(11, 14, 200, "yes"), "right"),
        (Answered(12.5, 14, 200, "yes"), "stale"),
        (Answered(12.5, 14, 200, "no"), "right"),
        (Answered(12.5, 20.5, 200, "yes"), "right"),
        (Answered(22, 23, 200, "no"), "stale"),
        (Answered(11, 12, 200, "ye no"), "mixed"),
        (Answered(11, 12, 404), "errors"),
        (Answered(11, 12, 200, "yes", whole=False), "errors"),
    ],
)
def test_an_answer_is_right_when_it_is_all_of_a_version_that_served_while_it_was_made(
    answer: Answered, verdict: str
) -> None:
    found = judge([answer], REFERENCES, CHANGES)
    assert {name for name, count in found.items() if count} == {verdict}
