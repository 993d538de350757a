"""What is wanted is followed on a real file system: by the kernel's events, no sleeps."""

import asyncio
import errno
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from kaito.contracts import AdapterSetInForce, WantedAdapter
from kaito.runtime.adapters.adapter_set import parse_set
from kaito.runtime.adapters.folders import adapter_folders, directory_wants, look, to_follow
from kaito.runtime.adapters.follower import Follower, OlderGenerationError, Places
from kaito.runtime.adapters.inotify import FolderEvents
from kaito.runtime.adapters.wanted import Merged


class Seen:
    """The last of what a follower said."""

    def __init__(self) -> None:
        self.merged = Merged({})
        self.in_force: AdapterSetInForce | None = None
        self.changed = asyncio.Event()

    def want(self, merged: Merged) -> None:
        self.merged = merged
        self.changed.set()

    def say(self, in_force: AdapterSetInForce | None) -> None:
        self.in_force = in_force

    async def until(self, *names: str) -> Merged:
        async with asyncio.timeout(20):
            while set(self.merged.wanted) != set(names):
                self.changed.clear()
                await self.changed.wait()
        return self.merged

    async def until_mark(self, name: str, *, other_than: str) -> str:
        async with asyncio.timeout(20):
            while self.merged.wanted[name].mark == other_than:
                self.changed.clear()
                await self.changed.wait()
        return self.merged.wanted[name].mark


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for name in ("store", "adapters", "set"):
        (tmp_path / name).mkdir()
    return Places(tmp_path / "store", tmp_path / "adapters", tmp_path / "set" / "adapters.json")


@asynccontextmanager
async def following(places: Places) -> AsyncIterator[tuple[Follower, Seen]]:
    seen = Seen()
    follower = Follower(places, taken={"phi"}, want=seen.want, in_force=seen.say, clock=asyncio.get_running_loop().time)
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0)
    try:
        yield follower, seen
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def a_set(generation: int, *names: str) -> dict[str, Any]:
    adapters = [{"name": name, "image": "registry.example/a"} for name in names]
    return {"contractVersion": 1, "generation": generation, "adapters": adapters}


def root(places: Places) -> Path:
    assert places.directory is not None
    return places.directory


async def test_folders_come_change_and_go(places: Places, tmp_path: Path) -> None:
    async with following(places) as (_, seen):
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "adapter_config.json").write_text("{}")
        (tmp_path / "new").rename(root(places) / "a")
        first = (await seen.until("a")).wanted["a"].mark
        (root(places) / "a" / "adapter_config.json").write_text("{ }")
        second = await seen.until_mark("a", other_than=first)
        (tmp_path / "newer").mkdir()
        (root(places) / "a").rename(tmp_path / "old")
        (tmp_path / "newer").rename(root(places) / "a")
        await seen.until_mark("a", other_than=second)
        (root(places) / "a").rmdir()
        await seen.until()


async def test_a_volume_that_kubernetes_swaps_behind_a_link_is_followed(places: Places, tmp_path: Path) -> None:
    volume = root(places) / "a"
    for version in ("1", "2"):
        (volume / f"..{version}").mkdir(parents=True)
        (volume / f"..{version}" / "adapter_config.json").write_text(version)
    (volume / "..data").symlink_to("..1")
    (volume / "adapter_config.json").symlink_to("..data/adapter_config.json")
    async with following(places) as (_, seen):
        mark = (await seen.until("a")).wanted["a"].mark
        (volume / "..data_tmp").symlink_to("..2")
        (volume / "..data_tmp").rename(volume / "..data")
        await seen.until_mark("a", other_than=mark)


async def test_a_directory_that_is_made_later_is_followed(places: Places) -> None:
    root(places).rmdir()
    async with following(places) as (_, seen):
        await seen.until()
        (root(places) / "a").mkdir(parents=True)
        await seen.until("a")


async def test_hidden_folders_and_files_are_no_adapters(places: Places) -> None:
    for name in (".tmp", "lost+found", "b"):
        (root(places) / name).mkdir()
    (root(places) / "readme").write_text("x")
    async with following(places) as (_, seen):
        await seen.until("b")


async def test_the_set_s_file_is_followed_and_the_higher_generation_holds(places: Places) -> None:
    assert places.set_file is not None
    async with following(places) as (follower, seen):
        places.set_file.write_text(json.dumps(a_set(2, "a")))
        await seen.until("a")
        with pytest.raises(OlderGenerationError, match="generation 2 is in force"):
            await follower.put_set(parse_set(json.dumps(a_set(1, "b"))))
        await follower.put_set(parse_set(json.dumps(a_set(3, "b"))))
        await seen.until("b")
        assert seen.in_force is not None
        assert seen.in_force["generation"] == 3
        places.set_file.write_text("not JSON")
        await follower.put_single(WantedAdapter(name="c", path="/c"))
        await seen.until("b", "c")
        places.set_file.write_text(json.dumps(a_set(4)))
        await seen.until("c")


async def test_what_the_api_was_told_is_wanted_again_after_a_restart(places: Places) -> None:
    async with following(places) as (follower, seen):
        await follower.put_set(parse_set(json.dumps(a_set(7, "a"))))
        await follower.put_single(WantedAdapter(name="b", path="/b"))
        await follower.put_single(WantedAdapter(name="gone", path="/b"))
        assert await follower.delete_single("gone")
        assert not await follower.delete_single("gone")
        await seen.until("a", "b")
    async with following(places) as (_, seen):
        await seen.until("a", "b")
        assert seen.in_force is not None
        assert seen.in_force["generation"] == 7


@pytest.mark.parametrize("content", ["", "[]", '{"set": 5}', '{"single": [{"name": "a"}]}', "\0"])
async def test_a_memory_that_cannot_be_read_is_none(places: Places, content: str) -> None:
    (places.store / "wanted.json").write_text(content)
    (root(places) / "a").mkdir()
    async with following(places) as (_, seen):
        await seen.until("a")


@pytest.mark.parametrize("error", [OSError(errno.ESTALE, "stale"), ValueError("embedded null byte")])
async def test_after_a_look_that_failed_what_is_wanted_is_followed_on(
    places: Places, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failed = asyncio.Event()

    def fail(*_: object) -> NoReturn:
        failed.set()
        raise error

    async with following(places) as (follower, seen):
        await follower.put_single(WantedAdapter(name="a", path="/a"))
        await seen.until("a")
        with monkeypatch.context() as patched:
            patched.setattr("kaito.runtime.adapters.follower.merge", fail)
            await follower.put_single(WantedAdapter(name="b", path="/b"))
            await failed.wait()
        assert set(seen.merged.wanted) == {"a"}
        await follower.put_single(WantedAdapter(name="c", path="/c"))
        await seen.until("a", "b", "c")


async def test_no_file_system_holds_the_loop(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: set[threading.Thread] = set()

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def note(*args: Any) -> Any:
            looked.add(threading.current_thread())
            return work(*args)

        return note

    for each in (adapter_folders, directory_wants, look, to_follow):
        monkeypatch.setattr(f"kaito.runtime.adapters.follower.{each.__name__}", noted(each))
    monkeypatch.setattr(FolderEvents, "follow", noted(FolderEvents.follow))
    (root(places) / "a").mkdir()
    async with following(places) as (follower, seen):
        await follower.put_single(WantedAdapter(name="b", path="/b"))
        await seen.until("a", "b")
    assert looked
    assert threading.current_thread() not in looked


async def test_names_that_the_engine_has_taken_are_refused_from_then_on(places: Places) -> None:
    (root(places) / "a").mkdir()
    async with following(places) as (follower, seen):
        await seen.until("a")
        follower.take({"a"})
        assert [each.name for each in (await seen.until()).refused] == ["a"]


async def test_where_the_kernel_gives_no_events_folders_are_looked_at_from_time_to_time(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderEvents, "start", lambda self: None)
    monkeypatch.setattr("kaito.runtime.adapters.follower.BLIND_LOOK_SECONDS", 0.01)
    async with following(places) as (_, seen):
        await seen.until()
        (root(places) / "a").mkdir()
        await seen.until("a")
