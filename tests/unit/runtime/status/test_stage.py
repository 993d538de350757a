import pytest

from kaito.contracts import AdapterSetInForce, AdapterStatus, FailureStatus, WeightsStatus
from kaito.runtime.status import ServerState

WEIGHTS = WeightsStatus(kind="path", source="/w", loadedBytes=0, totalBytes=100)
FAILURE = FailureStatus(reason="EngineFailed", message="it broke.", remedy="mend it.")


def new_state() -> ServerState:
    return ServerState(model="phi", weights=WEIGHTS, entered=10.0)


def test_a_start_goes_through_the_stages_in_order_and_every_change_has_a_number() -> None:
    state = new_state()
    assert (state.stage, state.sequence) == ("importing", 1)
    for number, stage in enumerate(("loading", "warming", "ready", "draining"), start=2):
        state = state.enter(stage, 10.0 + number)  # type: ignore[arg-type]
        assert (state.stage, state.sequence) == (stage, number)


def test_seconds_of_each_stage_are_counted_and_those_of_the_running_one_go_on() -> None:
    state = new_state().enter("loading", 12.5).enter("warming", 20.0)
    assert state.status(21.0)["stageSeconds"] == {"importing": 2.5, "loading": 7.5, "warming": 1.0}
    assert state.status(22.0)["stageSeconds"]["warming"] == 2.0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("importing", "ready"),
        ("ready", "loading"),
        ("draining", "ready"),
        ("failed", "importing"),
        ("warming", "loading"),
    ],
)
def test_a_server_never_goes_back_and_skips_nothing(before: str, after: str) -> None:
    state = new_state()
    state = ServerState(model="phi", weights=state.weights, entered=0.0, stage=before)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"from {before} to {after}"):
        state.enter(after, 1.0)  # type: ignore[arg-type]


def test_the_first_failure_stays() -> None:
    state = new_state().fail(FAILURE, 11.0)
    later = state.fail(FailureStatus(reason="Internal", message="consequence", remedy=""), 12.0)
    assert later is state
    assert state.status(12.0)["failure"] == FAILURE
    assert state.message == "it broke."


def test_what_is_in_the_way_passes_but_a_failure_does_not() -> None:
    troubled = new_state().enter("loading", 11.0).with_trouble(FAILURE)
    assert (troubled.stage, troubled.status(12.0)["failure"]) == ("loading", FAILURE)
    assert troubled.with_trouble(FAILURE) is troubled
    assert troubled.with_trouble(None).failure is None
    failed = troubled.fail(FAILURE, 12.0)
    assert failed.with_trouble(None) is failed


def test_a_draining_server_can_still_fail() -> None:
    state = new_state().enter("draining", 1.0).fail(FAILURE, 2.0)
    assert state.stage == "failed"


def test_what_changes_nothing_gets_no_new_number() -> None:
    state = new_state().enter("loading", 11.0, "x")
    adapter = AdapterStatus(name="a", state="Ready", reason="", message="")
    with_adapter = state.with_adapters((adapter,), None)
    assert state.enter("loading", 12.0, "x") is state
    assert state.with_weights(loaded=0) is state
    assert with_adapter.with_adapters((adapter.copy(),), None) is with_adapter


def test_the_set_in_force_is_told_once_there_is_one() -> None:
    in_force = AdapterSetInForce(generation=3, digest="sha256:1")
    state = new_state().with_adapters((), in_force)
    assert (state.sequence, state.status(10.0).get("adapterSet")) == (2, in_force)
    assert "adapterSet" not in new_state().status(10.0)


def test_bytes_of_the_weights_are_recorded_without_changing_the_state_before() -> None:
    state = new_state()
    after = state.with_weights(loaded=60, total=120)
    assert (after.weights["loadedBytes"], after.weights["totalBytes"]) == (60, 120)
    assert (state.weights["loadedBytes"], state.weights["totalBytes"]) == (0, 100)


def test_the_status_has_the_shape_of_the_contract() -> None:
    status = new_state().status(10.0)
    assert status["contractVersion"] == 1
    assert set(status) == {
        "contractVersion", "sequence", "stage", "message", "model", "weights", "adapters", "stageSeconds", "failure",
    }  # fmt: skip
