"""Adapters on a hub: the real client, a hub double, and a server whose switch forbids to ask any hub."""

import asyncio
import importlib.util
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hub import FakeHub, Repository, RepositoryFile

from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources import Fetched, HubRepository, Place, fetch, source_of

if importlib.util.find_spec("huggingface_hub") is None:
    pytest.skip("huggingface_hub comes with vLLM", allow_module_level=True)

NAME, COMMIT = "org/adapter", "7ae557604adf67be50417f59c2c2f167def9a775"
CONFIG, WEIGHTS = b'{"r": 8}', bytes(range(256)) * 8192
FILES = (
    RepositoryFile("README.md", b"# An adapter"),
    RepositoryFile("adapter_config.json", CONFIG),
    RepositoryFile("adapter_model.safetensors", WEIGHTS, large=True),
    RepositoryFile("checkpoint-1/adapter_model.safetensors", b"not this", large=True),
    RepositoryFile("adapter_model.bin", b"nor this", large=True),
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub(Repository(NAME, FILES, commit=COMMIT), tokens={"hf_reader"}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_TOKEN_PATH", "/none")
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # as the server sets it for vLLM
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


def seen(hub: FakeHub) -> None:
    """Wait for a first request."""
    deadline = time.monotonic() + 60
    while not hub.seen and time.monotonic() < deadline:
        time.sleep(0.01)


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def refused(place: Place, repository: HubRepository) -> tuple[str, bool, str]:
    with pytest.raises(AdapterError) as caught:
        await fetch(repository, place)
    assert not list(place.downloads.iterdir())
    return caught.value.reason, caught.value.passes, caught.value.message


async def test_the_two_files_come_and_no_other(hub: FakeHub, place: Place) -> None:
    told: list[tuple[int, int]] = []
    place = replace(place, progress=lambda done, total: told.append((done, total)))
    link = source_of({"name": "a", "urls": [f"{hub.endpoint}/{NAME}"]})
    assert await fetch(link, place) == Fetched(place.into, COMMIT)
    assert {path.name: path.read_bytes() for path in place.into.iterdir()} == {
        "adapter_config.json": CONFIG,
        "adapter_model.safetensors": WEIGHTS,
    }
    size = len(CONFIG) + len(WEIGHTS)
    assert told[-1] == (size, size)
    assert not list(place.downloads.iterdir())


async def test_a_repository_that_is_not_there_is_waited_for(hub: FakeHub, place: Place) -> None:
    assert (await refused(place, HubRepository("org/none")))[:2] == ("SourceNotFound", True)


async def test_without_leave_it_says_so(hub: FakeHub, place: Place) -> None:
    hub.repositories[NAME].gated = True
    reason, passes, message = await refused(place, HubRepository(NAME))
    assert (reason, passes) == ("SourceUnauthorized", True)
    assert "licence" in message


async def test_a_hub_that_is_not_there_is_waited_for(hub: FakeHub, place: Place) -> None:
    hub.stop()
    assert (await refused(place, HubRepository(NAME)))[:2] == ("SourceUnreachable", True)
    hub.start()


async def test_a_repository_without_an_adapter_is_refused(hub: FakeHub, place: Place) -> None:
    hub.repositories[NAME].files = FILES[:2]
    assert (await refused(place, HubRepository(NAME)))[:2] == ("WeightsMissing", False)


async def test_more_than_is_taken_is_refused_before_it_comes(hub: FakeHub, place: Place) -> None:
    place = replace(place, limits=replace(place.limits, adapter=1000))
    assert (await refused(place, HubRepository(NAME)))[:2] == ("TooLarge", False)
    assert not hub.sent


async def test_a_server_that_was_told_to_ask_no_hub_asks_none(hub: FakeHub, place: Place) -> None:
    reason, passes, _ = await refused(replace(place, offline=True), HubRepository(NAME))
    assert (reason, passes) == ("SourceUnreachable", False)
    assert not hub.seen


async def test_cancelled_it_leaves_nothing(hub: FakeHub, place: Place) -> None:
    hub.troubles.hang = True
    task = asyncio.create_task(fetch(HubRepository(NAME), place))
    await asyncio.to_thread(seen, hub)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not files(place.downloads)
