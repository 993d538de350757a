"""What is downloaded, into which cache, and what of it is done again."""

import multiprocessing
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from hub import FakeHub
from small_model import COMMIT, FILES, NAME, WEIGHTS

from kaito.runtime.hub import HubError, HubModel

NEEDED = {"config.json", "model.safetensors", "tokenizer.json"}
SIZE = len(WEIGHTS) + 1023


def fetched(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_weights_settings_and_tokenizer_are_downloaded_and_no_other_format(model: HubModel, hub: FakeHub) -> None:
    hub.troubles.page_size = 2
    assert model.size() == (SIZE, 0)
    assert not hub.sent
    folder = model.download()
    assert folder.name == COMMIT
    assert set(fetched(folder)) == NEEDED
    assert fetched(folder)["model.safetensors"] == WEIGHTS
    assert model.bytes_here() >= SIZE
    assert set(hub.sent) == NEEDED


def test_a_finished_copy_is_used_without_a_request_even_offline(model: HubModel, hub: FakeHub) -> None:
    folder = model.download()
    hub.stop()
    hub.seen.clear()
    assert model.size() == (SIZE, SIZE)
    assert model.download() == folder
    assert not hub.seen


def test_finished_files_are_kept_when_another_fails(model: HubModel, hub: FakeHub) -> None:
    hub.troubles.cuts = ["refuse"]
    with pytest.raises(HubError) as caught:
        model.download()
    assert (caught.value.reason, caught.value.passes) == ("HubUnavailable", True)
    assert model.size() == (SIZE, 1023)
    assert set(fetched(model.download())) == NEEDED
    assert hub.sent["tokenizer.json"] == 1000


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_broken_connection_goes_on_with_a_range(
    model: HubModel, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, end: Literal["close", "reset"]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 18)  # else by 10 MB
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda seconds: None))
    hub.troubles.cuts, hub.troubles.cut_after = [end, end], 1 << 19
    hub.troubles.bytes_per_second = 4_000_000
    assert fetched(model.download())["model.safetensors"] == WEIGHTS
    first, *others = [seen.range for seen in hub.seen if (seen.host, seen.method) == ("cdn", "GET")]
    assert first == ""
    assert others[-1].startswith("bytes="), others
    if end == "close":  # a reset takes along what was on its way
        assert others == ["bytes=524288-", "bytes=1048576-"]
        assert hub.sent["model.safetensors"] == len(WEIGHTS)


def test_a_connection_that_sends_nothing_is_replaced(
    model: HubModel, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    hub.troubles.cuts, hub.troubles.cut_after = ["stall"], 1000
    assert fetched(model.download())["model.safetensors"] == WEIGHTS


def test_the_token_goes_to_the_hub_and_not_to_where_large_files_are(
    model: HubModel, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories[NAME].gated, hub.repositories[NAME].readers = True, {"hf_reader"}
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    assert set(fetched(model.download())) == NEEDED
    assert {seen.authorization for seen in hub.seen if seen.host == "cdn"} == {""}
    assert any("kaito/" in seen.user_agent for seen in hub.seen)


def test_the_pods_of_a_node_download_a_file_once(model: HubModel, hub: FakeHub) -> None:
    hub.troubles.bytes_per_second = 4_000_000
    processes = [multiprocessing.get_context("fork").Process(target=model.download) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert hub.sent["model.safetensors"] == len(WEIGHTS)


def test_what_a_killed_process_left_is_removed_and_what_is_written_is_not(model: HubModel, hub: FakeHub) -> None:
    hub.troubles.cuts, hub.troubles.cut_after = ["stall"], 1000
    process = multiprocessing.get_context("fork").Process(target=model.download)
    process.start()
    blobs = model.cache / "models--org--small-model" / "blobs"
    while not (unfinished := list(blobs.glob(f"{FILES[2].sha256}.*.incomplete"))):
        assert process.is_alive()
    model._remove_abandoned()
    assert unfinished[0].exists()
    process.kill()
    process.join()
    model.download()
    assert not list(blobs.glob("*.incomplete"))
