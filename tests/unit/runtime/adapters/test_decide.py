"""An adapter's way from wanted to served, on a clock of the test's own."""

import pytest

from kaito.runtime.adapters.decide import (
    LONGEST_RETRY,
    Prepared,
    Served,
    Tracked,
    follow,
    follow_together,
    next_look,
    steps,
)
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.wanted import Wanted

PREPARED = Prepared("sha256:" + "ab" * 32, "/store/ab", "sha256:" + "ab" * 32, rank=8, size=100)
OTHER = Prepared("sha256:" + "cd" * 32, "/store/cd", "sha256:" + "cd" * 32, rank=8, size=100)


def wanted(name: str = "a", mark: str = "1") -> Wanted:
    return Wanted(name, "directory", {"path": f"/{name}"}, mark=mark)


def ready(name: str = "a", number: int = 1, prepared: Prepared = PREPARED) -> Tracked:
    loading = Tracked(name, wanted(name), 0.0).begin("prepare").was_prepared(prepared, 1.0).begin("load")
    return loading.was_loaded(Served(number, prepared), 2.0)


def test_what_is_wanted_is_prepared_and_then_loaded_once_there_is_an_engine() -> None:
    state = Tracked("a", wanted(), 0.0)
    assert (state.phase, state.due(0.0, engine=False)) == ("Pending", "prepare")
    state = state.begin("prepare")
    assert (state.phase, state.due(0.0, engine=True)) == ("Validating", None)
    state = state.was_prepared(PREPARED, 1.0)
    assert [state.due(1.0, engine=engine) for engine in (False, True)] == [None, "load"]
    state = state.begin("load").was_loaded(Served(1, PREPARED), 2.0)
    status = state.status()
    assert (status["state"], status["digest"], status["rank"], status["seconds"]) == ("Ready", PREPARED.digest, 8, 2.0)
    assert state.due(9.0, engine=True) is None


def test_what_must_be_fetched_is_pulling_first() -> None:
    remote = Wanted("a", "set", {"image": "i"})
    assert Tracked("a", remote, 0.0).begin("prepare").phase == "Pulling"


def test_a_new_version_is_loaded_while_the_old_one_is_served() -> None:
    state = ready().want(wanted(mark="2"), 5.0)
    assert state.served == Served(1, PREPARED)
    assert "is served until then" in state.status()["message"]
    state = state.begin("prepare").was_prepared(OTHER, 6.0)
    assert state.due(6.0, engine=True) == "load"
    assert state.begin("load").was_loaded(Served(2, OTHER), 7.0).seconds == 2.0


def test_the_same_numbers_written_again_are_not_loaded_again() -> None:
    state = ready().want(wanted(mark="2"), 5.0).begin("prepare").was_prepared(PREPARED, 6.0)
    assert (state.phase, state.due(6.0, engine=True)) == ("Ready", None)


def test_a_bad_new_version_leaves_the_old_one_served() -> None:
    state = ready().want(wanted(mark="2"), 5.0).begin("prepare")
    state = state.failed(AdapterError("WeightsInvalid", "cut short."), 6.0)
    status = state.status()
    assert (status["state"], status["reason"], state.served) == ("Failed", "WeightsInvalid", Served(1, PREPARED))
    assert state.due(1e9, engine=True) is None


def test_what_passes_is_tried_again_after_a_time_that_doubles() -> None:
    state, now, waits = Tracked("a", wanted(), 0.0), 0.0, []
    for _ in range(9):
        state = state.begin("prepare").failed(AdapterError("SourceUnreachable", "gone.", passes=True), now)
        assert state.retry_at is not None
        waits.append(state.retry_at - now)
        assert state.due(state.retry_at - 0.1, engine=True) is None
        now = state.retry_at
        assert state.due(now, engine=True) == "prepare"
        assert state.begin("prepare").phase == "Failed"
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, LONGEST_RETRY]


def test_what_is_being_written_is_pending_and_looked_at_again() -> None:
    state = Tracked("a", wanted(), 0.0).begin("prepare").unsettled("still being written", 0.5)
    assert (state.phase, state.due(0.4, engine=True), state.due(0.5, engine=True)) == ("Pending", None, "prepare")
    assert next_look({"a": state}) == 0.5


def test_what_is_not_wanted_any_more_drains_and_what_was_never_served_is_gone() -> None:
    tracked = follow({"a": ready(), "b": Tracked("b", wanted("b"), 0.0)}, {}, 5.0)
    assert list(tracked) == ["a"]
    status, leaving = tracked["a"].status(), tracked["a"].leaving
    assert (status["state"], status["digest"], leaving) == (
        "Draining",
        PREPARED.digest,
        Served(1, PREPARED),
    )
    assert follow(tracked, {}, 6.0) == tracked


def test_what_is_wanted_again_while_it_drains_is_loaded_anew() -> None:
    draining = follow({"a": ready()}, {}, 5.0)
    state = follow(draining, {"a": wanted()}, 6.0)["a"]
    assert (state.served, state.due(6.0, engine=True)) == (None, "prepare")
    assert state.begin("prepare").was_prepared(PREPARED, 7.0).due(7.0, engine=True) == "load"


def test_the_same_is_left_as_it_is_and_another_alias_loads_nothing() -> None:
    tracked = {"a": ready()}
    assert follow(tracked, {"a": wanted()}, 9.0) == tracked
    renamed = Wanted("a", "directory", {"path": "/a", "aliases": ["prod"]}, mark="1")
    state = follow(tracked, {"a": renamed}, 9.0)["a"]
    assert (state.phase, state.due(9.0, engine=True), state.wanted) == ("Ready", None, renamed)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_two_or_more_are_added_up_under_the_workspace_s_name(count: int) -> None:
    names = [f"a{index}" for index in range(count)]
    tracked = {name: ready(name, number) for number, name in enumerate(names, 1)}
    asked = {name: wanted(name) for name in names}
    following = follow_together(tracked, asked, "ws", 5.0)
    assert ("ws" in following) == (count > 1)
    again = follow_together(following, asked, "ws", 6.0)
    assert again == following
    assert not list(steps(follow_together(tracked, asked, "", 5.0), 5.0, engine=True))
