"""Timeline, condition times, failures and events over several decisions."""

import pytest

from kaito.controllers.workspace import decide
from kaito.controllers.workspace.status import TIMELINE_ROWS


def test_the_timeline_has_a_row_per_phase_with_its_seconds(a):
    first = decide(a.snapshot(), a.now).status
    assert [(row.phase, row.started_at, row.seconds) for row in first.timeline] == [
        ("ClaimingNodes", "2026-01-02T03:04:05.678Z", None)
    ]
    claim = a.claim("MachineRegistered")
    second = decide(a.snapshot(a.workspace(status=first.wire()), claims=(claim,)), a.later(2.5)).status
    assert [(row.phase, row.seconds) for row in second.timeline] == [("ClaimingNodes", 2.5), ("WaitingForNodes", None)]
    third = decide(a.serving(a.workspace(status=second.wire())), a.later(4)).status
    assert [(row.phase, row.seconds) for row in third.timeline][-2:] == [
        ("ClaimingNodes", 2.5),
        ("WaitingForNodes", 1.5),
    ]


def test_the_timeline_stays_bounded_however_often_a_node_flaps(a):
    status, name = None, a.ready_claim().node_name
    for turn in range(2 * TIMELINE_ROWS):
        workspace = a.workspace(status=status.wire()) if status else a.workspace()
        snapshot = a.serving(workspace, nodes={name: a.node(name, ready=bool(turn % 2))})
        status = decide(snapshot, a.later(turn)).status
    assert len(status.timeline) == TIMELINE_ROWS


def test_a_condition_keeps_its_time_while_its_status_stays(a):
    first = decide(a.snapshot(), a.now).status
    claim = a.claim("MachineRegistered")
    second = decide(a.snapshot(a.workspace(status=first.wire()), claims=(claim,)), a.later(60)).status
    before, after = first.condition("ResourceReady"), second.condition("ResourceReady")
    assert (after.status, after.last_transition_time) == ("False", before.last_transition_time)
    assert after.reason != before.reason
    third = decide(a.serving(a.workspace(status=second.wire())), a.later(120)).status
    assert third.condition("ResourceReady").last_transition_time == "2026-01-02T03:06:05Z"


def test_a_failure_that_goes_on_is_told_once(a):
    claim = a.claim(status="Unknown", reason="InsufficientCapacity", message="Next retry at 03:05.")
    first = decide(a.snapshot(claims=(claim,)), a.now)
    assert [one.type for one in first.occurrences] == ["Warning", "Normal"]
    again = a.claim(status="Unknown", reason="InsufficientCapacity", message="Next retry at 03:07.")
    second = decide(a.snapshot(a.workspace(status=first.status.wire()), claims=(again,)), a.later(120))
    assert second.occurrences == ()
    assert "03:07" in second.status.message
    assert second.status.last_failure.at == first.status.last_failure.at


def test_a_failure_is_kept_while_waiting_and_forgotten_when_ready(a):
    claim = a.claim(status="False", reason="QuotaExceeded", message="no")
    failed = decide(a.snapshot(claims=(claim,)), a.now).status
    going_on = decide(
        a.snapshot(a.workspace(status=failed.wire()), claims=(a.claim("MachineRegistered"),)), a.later(9)
    ).status
    assert (going_on.phase, going_on.last_failure.reason) == ("WaitingForNodes", "QuotaExceeded")
    ready = decide(a.serving(a.workspace(status=going_on.wire())), a.later(20)).status
    assert ready.last_failure is None


@pytest.mark.parametrize(
    ("weights", "said"), [("stand-in", "stand-in"), ("hub", "@0a67737cc96d"), ("/models", "/models/phi-3-mini")]
)
def test_the_plan_names_which_weights_are_served(a, weights, said):
    from kaito.controllers.options import Settings

    status = decide(a.serving(settings=Settings(weights=weights)), a.now).status
    assert said in status.plan.weights
    assert ("stand-in" in status.message) == (weights == "stand-in")


def test_the_last_words_of_a_failed_server_outlive_its_container(a):
    failure = {"reason": "NotEnoughMemory", "message": "KV cache needs 3 GiB.", "remedy": "Shorten it."}
    crashed = a.pod({"containerStatuses": [{"name": "phi", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]})
    snapshot = a.serving(
        deployment=a.deployment(available=0),
        pods=(crashed,),
        runtime={"pod-1": a.runtime("failed", failure=failure)},
    )
    assert decide(snapshot, a.now).status.last_failure.reason == "NotEnoughMemory"
