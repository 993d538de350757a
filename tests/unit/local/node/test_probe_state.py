import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.local.node.probe_state import Timing, Tracker, Verdict, initial_verdict, may_run, verdict_after

READINESS = {"readinessProbe": {}}
ALL = {"startupProbe": {}, "readinessProbe": {}, "livenessProbe": {}}


def tracked(results: str, *, success: int = 1, failure: int = 3) -> Tracker:
    tracker = Tracker(Timing(success=success, failure=failure))
    for result in results:
        tracker = tracker.observe(success=result == "+")
    return tracker


@pytest.mark.parametrize(
    ("results", "success", "passed"),
    [("", 1, None), ("--", 1, None), ("---", 1, False), ("+", 1, True), ("+--", 1, True), ("+---", 1, False),
     ("+--+--", 1, True), ("---+", 2, False), ("---++", 2, True)],
)  # fmt: skip
def test_a_verdict_changes_when_a_row_of_results_reaches_its_threshold(
    results: str, success: int, passed: bool | None
) -> None:
    assert tracked(results, success=success).passed is passed


@given(st.text(alphabet="+-", max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_a_verdict_needs_a_whole_row_whatever_came_before(results: str, success: int, failure: int) -> None:
    tracker = tracked(results, success=success, failure=failure)
    if tracker.passed is True:
        assert "+" * success in results
    if tracker.passed is False:
        assert "-" * failure in results


def test_a_container_without_probes_is_started_and_ready_at_once() -> None:
    assert initial_verdict({}) == Verdict(started=True, ready=True)


def test_readiness_waits_for_its_first_success() -> None:
    assert initial_verdict(READINESS) == Verdict(started=True, ready=False)
    assert verdict_after(initial_verdict(READINESS), "readiness", tracked("+"), READINESS).ready


def test_the_other_probes_wait_for_the_startup_probe_which_then_ends() -> None:
    verdict = initial_verdict(ALL)
    assert [may_run(verdict, kind) for kind in ("startup", "readiness", "liveness")] == [True, False, False]
    verdict = verdict_after(verdict, "startup", tracked("+"), ALL)
    assert [may_run(verdict, kind) for kind in ("startup", "readiness", "liveness")] == [False, True, True]
    assert not verdict.ready


def test_a_startup_probe_alone_makes_ready() -> None:
    container = {"startupProbe": {}}
    assert verdict_after(initial_verdict(container), "startup", tracked("+"), container) == Verdict(True, True)


def test_a_failed_liveness_probe_asks_for_a_restart_once() -> None:
    verdict = verdict_after(Verdict(), "liveness", tracked("---"), ALL)
    assert verdict.failed == "liveness"
    assert not may_run(verdict, "liveness")


def test_a_container_found_again_keeps_what_it_had() -> None:
    assert initial_verdict(ALL, was_started=True, was_ready=True) == Verdict(True, True)


def test_periods_and_timeouts_are_a_second_at_least() -> None:
    assert Timing.of({"periodSeconds": 0, "timeoutSeconds": 0}) == Timing(period=10.0, timeout=1.0)
    assert Timing.of({"periodSeconds": 1}).period == 1.0
