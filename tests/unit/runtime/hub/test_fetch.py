"""However long it takes: what passes is tried again, the board says how far it is, and no secret is said."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from hub import SIGNATURE, FakeHub
from small_model import NAME, WEIGHTS

from kaito.contracts import FailureStatus, WeightsStatus
from kaito.runtime.failure import FatalError
from kaito.runtime.hub import HubError, HubModel, fetch
from kaito.runtime.logs import configure_logging
from kaito.runtime.status import ServerState, StatusBoard

SIZE = len(WEIGHTS) + 1023


class Board(StatusBoard):
    """A board that remembers what it showed."""

    def __init__(self) -> None:
        weights = WeightsStatus(kind="hub", source=NAME, loadedBytes=0, totalBytes=0)
        super().__init__(ServerState(model=NAME, weights=weights, entered=0.0), time.monotonic)
        self.shown: list[ServerState] = []

    def _change(self, change: Any) -> None:
        super()._change(change)
        self.shown.append(self.state)

    @property
    def failures(self) -> list[FailureStatus]:
        found = [state.failure for state in self.shown if state.failure]
        return [failure for number, failure in enumerate(found) if failure not in found[:number]]


@pytest.fixture
def board() -> Board:
    return Board()


def test_progress_is_shown_in_bytes_and_in_words(
    model: HubModel, hub: FakeHub, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 16)  # else by 10 MB
    hub.troubles.bytes_per_second = 4_000_000
    fetch(model, board, sample_seconds=0.02)
    loaded = [state.weights["loadedBytes"] for state in board.shown]
    assert loaded == sorted(loaded)
    assert any(0 < number < SIZE for number in loaded)
    assert board.state.weights["loadedBytes"] == board.state.weights["totalBytes"] == SIZE
    assert {state.stage for state in board.shown} == {"loading"}
    assert "downloading 1 of 2 MB" in {state.message for state in board.shown}
    assert not board.failures


def test_what_passes_is_shown_and_tried_again_ever_more_seldom(model: HubModel, hub: FakeHub, board: Board) -> None:
    hub.troubles.refusals = [(501, {})] * 8
    pauses: list[float] = []
    fetch(model, board, sleep=pauses.append)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [failure["reason"] for failure in board.failures] == ["HubUnavailable"]
    assert board.state.failure is None
    assert board.state.weights["loadedBytes"] == SIZE


def test_a_hub_that_comes_back_is_used(
    model: HubModel, hub: FakeHub, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.stop()
    assert fetch(model, board, sleep=lambda seconds: hub.start()).is_dir()
    assert [failure["reason"] for failure in board.failures] == ["HubUnreachable"]


def test_what_does_not_pass_ends_it_at_once(model: HubModel, hub: FakeHub, board: Board) -> None:
    hub.repositories[NAME].gated = True
    with pytest.raises(HubError, match="accepted its licence"):
        fetch(model, board, sleep=pytest.fail)


def test_the_size_is_told_before_the_first_byte_and_can_be_refused(model: HubModel, hub: FakeHub, board: Board) -> None:
    def refuse(size: int) -> None:
        raise FatalError("NotEnoughMemory", f"{size} bytes.", remedy="Buy some.")

    with pytest.raises(FatalError, match=str(SIZE)):
        fetch(model, board, refuse)
    assert not hub.sent


def test_a_disk_without_room_is_known_before_the_first_byte(
    model: HubModel, hub: FakeHub, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [1000, 1 << 30]
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=room[0]))

    def make_room(seconds: float) -> None:
        assert not hub.sent
        room.pop(0)

    assert fetch(model, board, sleep=make_room).is_dir()
    assert [failure["reason"] for failure in board.failures] == ["DiskFull"]


def test_neither_token_nor_signature_is_logged(
    model: HubModel,
    hub: FakeHub,
    board: Board,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    configure_logging("info")
    hub.troubles.cuts, hub.troubles.cut_after = ["close", "reset", "refuse"], 1000
    fetch(model, board, sleep=lambda seconds: None)
    said = "".join(capfd.readouterr()) + repr(board.shown)
    assert "downloading" in said
    assert "HubUnavailable" in said
    assert SIGNATURE not in said
    assert "hf_reader" not in said
