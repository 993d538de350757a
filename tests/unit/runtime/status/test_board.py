import asyncio
import threading

from kaito.contracts import AdapterStatus, FailureStatus, WeightsStatus
from kaito.runtime.status import ServerState, StatusBoard
from kaito.runtime.status.metrics import RuntimeCollector


def new_board() -> StatusBoard:
    weights = WeightsStatus(kind="stand-in", source="/w", loadedBytes=5, totalBytes=10)
    return StatusBoard(ServerState(model="phi", weights=weights, entered=0.0), lambda: 3.0)


async def test_a_reader_that_is_behind_is_answered_at_once() -> None:
    assert (await new_board().wait_beyond(0, limit=60))["sequence"] == 1


async def test_a_waiting_reader_is_answered_by_a_change_in_another_thread() -> None:
    board = new_board()
    waiting = asyncio.create_task(board.wait_beyond(1, limit=60))
    await asyncio.sleep(0)
    threading.Thread(target=board.enter, args=("loading",)).start()
    async with asyncio.timeout(5):
        status = await waiting
    assert (status["stage"], status["sequence"]) == ("loading", 2)


async def test_a_reader_waits_no_longer_than_its_limit() -> None:
    assert (await new_board().wait_beyond(1, limit=0.01))["sequence"] == 1


async def test_a_change_that_changes_nothing_wakes_nobody() -> None:
    board = new_board()
    waiting = asyncio.create_task(board.wait_beyond(1, limit=0.05))
    await asyncio.sleep(0)
    board.weights(loaded=5)
    assert (await waiting)["sequence"] == 1


def test_metrics_show_the_one_stage_and_the_adapters_by_state() -> None:
    board = new_board()
    board.adapters((AdapterStatus(name="a", state="Failed", reason="RankTooLarge", message=""),), None)
    board.fail(FailureStatus(reason="EngineFailed", message="", remedy=""))
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in RuntimeCollector(board).collect()
        for sample in family.samples
    }
    stages = {labels[0]: value for (name, labels), value in samples.items() if name == "kaito_runtime_stage"}
    assert stages == {
        "importing": 0.0, "loading": 0.0, "warming": 0.0, "ready": 0.0, "draining": 0.0, "failed": 1.0,
    }  # fmt: skip
    assert samples["kaito_runtime_adapters", ("Failed",)] == 1.0
    assert samples["kaito_runtime_weights_bytes", ("stand-in", "loaded")] == 5.0
