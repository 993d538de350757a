"""From a folder to what may be loaded: copied, checked, kept by content, at its strength."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kaito.contracts import AdapterPhase, AdapterStatus
from kaito.runtime.adapters.check import read_base
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.known import KnownContent
from kaito.runtime.adapters.prepare import Preparation
from kaito.runtime.adapters.sources import Fetched, Place, Source
from kaito.runtime.adapters.store import AdapterStore
from kaito.runtime.adapters.wanted import Part, Wanted


@pytest.fixture
def prepare(tmp_path: Path, base_folder: Path) -> Iterator[Preparation]:
    store = AdapterStore(tmp_path / "store", 10**9)
    with ThreadPoolExecutor(2) as workers:
        place = partial(Place, downloads=tmp_path / "downloads")
        yield Preparation(store, read_base(base_folder), workers, place, KnownContent(tmp_path))


@pytest.fixture
def folder(tmp_path: Path, adapter_files: Any) -> Path:
    (tmp_path / "a").mkdir()
    adapter_files.write(tmp_path / "a")
    return tmp_path / "a"


def wanted(folder: Path, **spec: Any) -> Wanted:
    return Wanted("a", "set", {"name": "a", "path": str(folder), **spec})


def silent(phase: AdapterPhase) -> None:
    """Hear nothing."""


async def test_what_is_loaded_is_a_copy_that_outlives_its_source(prepare: Preparation, folder: Path) -> None:
    phases: list[AdapterPhase] = []
    prepared = await prepare(wanted(folder), phases.append)
    assert phases == ["Validating"]
    await asyncio.to_thread(shutil.rmtree, folder)
    assert json.loads((Path(prepared.folder) / "adapter_config.json").read_text())["r"] == prepared.rank
    assert prepared.digest == prepared.stored


async def test_another_strength_is_another_folder_of_the_same_digest(prepare: Preparation, folder: Path) -> None:
    full, half = await prepare(wanted(folder), silent), await prepare(wanted(folder, strength="0.50"), silent)
    assert full.digest == half.digest
    assert (full.folder != half.folder, full.version != half.version, half.strength) == (True, True, "0.5")


async def test_a_digest_that_is_kept_needs_no_source(prepare: Preparation, folder: Path, tmp_path: Path) -> None:
    known = await prepare(wanted(folder), silent)
    assert await prepare(wanted(tmp_path / "gone", digest=known.digest), silent) == known


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64])
async def test_another_content_than_was_asked_for_is_refused(prepare: Preparation, folder: Path, digest: str) -> None:
    with pytest.raises(AdapterError) as caught:
        await prepare(wanted(folder, digest=digest), silent)
    assert caught.value.reason == "DigestMismatch"


async def test_a_folder_that_is_not_there_may_come(prepare: Preparation, tmp_path: Path) -> None:
    with pytest.raises(AdapterError) as caught:
        await prepare(wanted(tmp_path / "gone"), silent)
    assert (caught.value.reason, caught.value.passes) == ("SourceNotFound", True)


async def test_what_is_refused_leaves_nothing_in_the_store(prepare: Preparation, folder: Path, tmp_path: Path) -> None:
    (folder / "adapter_config.json").write_text("{")
    with pytest.raises(AdapterError) as caught:
        await prepare(wanted(folder), silent)
    assert caught.value.reason == "ConfigInvalid"
    assert not list((tmp_path / "store" / "sha256").iterdir())
    assert not list((tmp_path / "store" / "staging").iterdir())


async def test_several_are_one_of_their_ranks_together(
    prepare: Preparation, folder: Path, tmp_path: Path, make_adapter_files: Callable[[], Any]
) -> None:
    (tmp_path / "b").mkdir()
    make_adapter_files().write(tmp_path / "b")
    one = await prepare(wanted(folder), silent)
    two = await prepare(wanted(tmp_path / "b", strength="0.5"), silent)
    parts = tuple(Part(each.strength, each.folder, each.stored) for each in (one, two))
    both = await prepare(Wanted("ws", "workspace", parts=parts), silent)
    assert both.rank == one.rank + two.rank


@pytest.mark.parametrize(
    ("error", "served"),
    [
        (AdapterError("SourceUnreachable", "gone.", passes=True), True),
        (AdapterError("SourceUnauthorized", "bad.", passes=True), False),
        (AdapterError("SourceNotFound", "bad.", passes=True), False),
        (AdapterError("ArchiveInvalid", "bad."), False),
    ],
)
async def test_what_came_from_a_source_before_is_served_while_it_cannot_be_reached(
    prepare: Preparation, folder: Path, monkeypatch: pytest.MonkeyPatch, error: AdapterError, served: bool
) -> None:
    sources: list[AdapterError] = []

    async def fetch(source: Source, place: Place) -> Fetched:
        if sources:
            raise sources[0]
        return Fetched(folder)

    monkeypatch.setattr("kaito.runtime.adapters.prepare.fetch", fetch)
    image = Wanted("a", "set", {"image": "registry.example/a:1", "strength": "0.5"})
    first = await prepare(image, silent)
    sources.append(error)
    if served:
        assert await prepare(image, silent) == first
    else:
        with pytest.raises(AdapterError, match="bad"):
            await prepare(image, silent)
    for other in ({"image": "registry.example/b:1"}, {**image.spec, "imagePullSecrets": ["other"]}):
        with pytest.raises(AdapterError):
            await prepare(Wanted("a", "set", other), silent)


async def test_how_far_a_pull_is_is_shown_until_its_files_are_checked(
    prepare: Preparation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulling = AdapterStatus(name="a", state="Pulling", reason="", message="")
    seen: list[AdapterStatus] = []

    def look() -> None:
        seen.append(prepare.pulls.shown_in(pulling))

    async def fetch(source: Source, place: Place) -> Fetched:
        place.progress(3, 12)
        look()
        return Fetched(folder)

    monkeypatch.setattr("kaito.runtime.adapters.prepare.fetch", fetch)
    await prepare(Wanted("a", "set", {"image": "registry.example/a:1"}), lambda phase: look())
    assert seen == [{**pulling, "pulledBytes": 3, "totalBytes": 12}, pulling]


@pytest.mark.parametrize("moment", ["while its folder is made", "while its files come"])
async def test_what_is_cancelled_leaves_nothing_in_the_store(
    prepare: Preparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    reached = asyncio.Event()
    loop, staging = asyncio.get_running_loop(), prepare.store.staging

    async def fetch(source: Source, place: Place) -> Fetched:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    @contextmanager
    def slow() -> Iterator[Path]:
        with staging() as folder:
            loop.call_soon_threadsafe(reached.set)
            time.sleep(0.05)
            yield folder

    monkeypatch.setattr("kaito.runtime.adapters.prepare.fetch", fetch)
    if moment == "while its folder is made":
        monkeypatch.setattr(prepare.store, "staging", slow)
    task = asyncio.create_task(prepare(Wanted("a", "set", {"image": "registry.example/a:1"}), silent))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((tmp_path / "store" / "staging").iterdir())
