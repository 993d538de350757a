"""The elector's rules, one decision at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaito.core import ConnectionLostError, Key, Status, api_error
from kaito.core.election import Timing
from kaito.core.election.elector import (
    Absent,
    Due,
    Failed,
    Follow,
    Found,
    Lost,
    Moment,
    Observation,
    Read,
    State,
    Wait,
    Write,
    Written,
    step,
)

KEY = Key("kaito-system", "kaito-controller")
WALL = datetime(2026, 1, 1, tzinfo=UTC)
CANDIDATE = State(KEY, "me", Timing())


def at(now, jitter=0.0):
    return Moment(now, WALL + timedelta(seconds=now), lambda: jitter)


def lease(holder="other", version="7", duration=15, **spec):
    record = {"holderIdentity": holder, "leaseDurationSeconds": duration, "leaseTransitions": 3, **spec}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": KEY.name, "namespace": KEY.namespace, "resourceVersion": version},
        "spec": record,
    }


def leader(renewed=0.0, held=None):
    return replace(CANDIDATE, observed=Observation(held or lease("me"), renewed), renewed=renewed)


def refused(code, reason):
    return Failed(api_error(Status(code, reason, "")))


def test_it_begins_by_reading():
    assert step(CANDIDATE, Due(), at(0))[1] == Read()


def test_where_there_is_no_lease_it_makes_one():
    _, action = step(CANDIDATE, Absent(), at(0))
    assert isinstance(action, Write)
    assert action.create
    assert action.lease["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }


def test_anothers_fresh_lease_is_followed_until_it_would_expire():
    state, action = step(CANDIDATE, Found(lease()), at(3))
    assert action == Follow("7", 5)
    assert step(state, Found(lease()), at(16))[1] == Follow("7", 2)


def test_a_watch_that_says_nothing_for_some_renewals_is_not_believed():
    state, action = step(CANDIDATE, Found(lease()), at(3))
    assert step(state, Due(), at(3 + action.seconds))[1] == Read()


def test_a_lease_that_nobody_renewed_for_its_duration_is_taken():
    state, _ = step(CANDIDATE, Found(lease(acquireTime="2025-01-01T00:00:00Z")), at(3))
    assert step(state, Due(), at(18))[1] == Read()
    _, action = step(state, Found(lease(acquireTime="2025-01-01T00:00:00Z")), at(18))
    assert isinstance(action, Write)
    assert not action.create
    assert action.lease["metadata"]["resourceVersion"] == "7"
    assert action.lease["spec"]["holderIdentity"] == "me"
    assert action.lease["spec"]["leaseTransitions"] == 4
    assert action.lease["spec"]["acquireTime"] == "2026-01-01T00:00:18.000000Z"


def test_a_lease_that_changed_meanwhile_is_followed_anew():
    state, _ = step(CANDIDATE, Found(lease(renewTime="a")), at(3))
    assert step(state, Found(lease(renewTime="b", version="8")), at(18))[1] == Follow("8", 5)


def test_a_new_resource_version_alone_is_no_sign_of_life():
    state, _ = step(CANDIDATE, Found(lease()), at(3))
    assert step(state, Found(lease(version="8")), at(14))[1] == Follow("8", 4)


def test_the_record_says_how_long_it_holds_and_ours_is_taken_where_it_does_not():
    for seconds, duration in ((60, 60), (15, None)):
        state, _ = step(CANDIDATE, Found(lease(duration=duration)), at(0))
        assert step(state, Found(lease(duration=duration)), at(seconds - 1))[1] == Follow("7", 1)
        assert isinstance(step(state, Found(lease(duration=duration)), at(seconds))[1], Write)


def test_timestamps_of_the_record_are_not_believed():
    """A holder whose wall clock is an hour behind, or writes nonsense, is alive as long as its record changes."""
    for renewed in ("2025-12-31T23:00:00.000000Z", "2026-01-01T02:00:00+02:00", "yesterday", None):
        assert step(CANDIDATE, Found(lease(renewTime=renewed)), at(0))[1] == Follow("7", 5)


@pytest.mark.parametrize("holder", ["", None])
def test_a_released_lease_is_taken_at_once(holder):
    state, _ = step(CANDIDATE, Found(lease()), at(3))
    assert isinstance(step(state, Found(lease(holder, duration=1)), at(4))[1], Write)


def test_our_own_lease_after_an_answer_that_never_came_is_renewed_and_keeps_its_acquire_time():
    _, action = step(CANDIDATE, Found(lease("me", acquireTime="then")), at(3))
    assert isinstance(action, Write)
    assert action.lease["spec"]["acquireTime"] == "then"
    assert action.lease["spec"]["leaseTransitions"] == 3


def test_whoever_wrote_it_leads_from_when_it_was_sent():
    state, action = step(CANDIDATE, Written(lease("me", "8"), sent=2.0), at(4))
    assert state.leads_until == 12
    assert action == Wait(2)


def test_an_answer_that_came_after_the_renew_deadline_does_not_make_a_leader():
    state, action = step(CANDIDATE, Written(lease("me", "8"), sent=2.0), at(12))
    assert state.leads_until is None
    assert isinstance(action, Lost)


def test_a_leader_renews_without_reading():
    state, action = step(leader(), Due(), at(2))
    assert isinstance(action, Write)
    assert action.lease["spec"]["renewTime"] == "2026-01-01T00:00:02.000000Z"
    assert state.leads_until == 10


def test_extra_fields_of_the_lease_survive():
    _, action = step(leader(held=lease("me", strategy="x", preferredHolder="y")), Due(), at(2))
    assert action.lease["spec"]["strategy"] == "x"
    assert action.lease["spec"]["preferredHolder"] == "y"


@pytest.mark.parametrize(
    ("failure", "action"),
    [
        (Failed(ConnectionLostError("gone")), Wait(2)),
        (refused(500, "InternalError"), Wait(2)),
        (refused(403, "Forbidden"), Wait(2)),
        (refused(409, "Conflict"), Read()),
        (refused(409, "AlreadyExists"), Read()),
        (refused(404, "NotFound"), Read()),
    ],
)
def test_a_leader_that_was_refused_tries_again_and_reads_first_if_it_was_overtaken(failure, action):
    state, next_ = step(leader(), failure, at(5))
    assert next_ == action
    assert state.leads_until == 10


def test_a_leader_without_success_until_the_deadline_leads_no_more():
    state, action = step(leader(), Failed(ConnectionLostError("gone")), at(10))
    assert state.leads_until is None
    assert action == Lost("no success in renewing it for 10 s")


def test_a_leader_that_reads_another_holder_leads_no_more():
    state, action = step(leader(), Found(lease("other")), at(3))
    assert state.leads_until is None
    assert action == Lost("other holds it")


def test_a_leader_takes_a_lease_again_that_somebody_cleared_or_deleted():
    assert isinstance(step(leader(), Found(lease("")), at(3))[1], Write)
    _, action = step(leader(), Absent(), at(3))
    assert action.create


def test_a_candidate_that_saw_a_deleted_lease_being_held_waits_until_its_holder_has_noticed():
    state, _ = step(CANDIDATE, Found(lease()), at(3))
    state, action = step(state, Absent(), at(4))
    assert action == Follow("", 5)
    assert step(state, Absent(), at(18))[1] == Follow("", 1)
    assert isinstance(step(state, Absent(), at(19))[1], Write)


def test_a_lease_that_is_made_again_and_deleted_again_is_waited_for_anew():
    state, _ = step(CANDIDATE, Found(lease()), at(3))
    state, _ = step(state, Absent(), at(4))
    state, action = step(state, Found(lease(version="9")), at(6))
    assert action == Follow("9", 5)
    state, _ = step(state, Absent(), at(17))
    assert isinstance(step(state, Absent(), at(19))[1], Follow)
    assert isinstance(step(state, Absent(), at(32))[1], Write)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 2.0), (0.5, 3.2), (0.999, 4.3976)])
def test_a_candidate_that_was_refused_waits_at_random(jitter, seconds):
    _, action = step(CANDIDATE, refused(409, "Conflict"), at(0, jitter))
    assert action.seconds == pytest.approx(seconds)
