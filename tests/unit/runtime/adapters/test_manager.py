"""The manager's driver, with an engine and a preparation of the test's own: no file, no second passes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kaito.contracts import AdapterPhase, AdapterStatus
from kaito.runtime.adapters.decide import Prepared
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.folders import Folder
from kaito.runtime.adapters.manager import AdapterManager, Changes
from kaito.runtime.adapters.names import Names
from kaito.runtime.adapters.wanted import Merged, Refused, Wanted

BAD = AdapterError("WeightsInvalid", "cut short.")


class Engine:
    """Records what it is told. A name in `slow` is loaded when the test lets it, a number in `busy` unloaded so."""

    def __init__(self) -> None:
        self.largest_rank = 16
        self.loaded: dict[int, str] = {}
        self.names: Names = {}
        self.published: list[Names] = []
        self.slow: dict[str, asyncio.Event] = {}
        self.fails: set[str] = set()
        self.busy: dict[int, asyncio.Event] = {}
        self.count = 0

    async def load(self, name: str, version: str, folder: Path) -> int:
        await asyncio.sleep(0)
        if name in self.slow:
            await self.slow[name].wait()
        if name in self.fails:
            raise AdapterError("LoadFailed", "no.")
        self.count += 1
        self.loaded[self.count] = f"{name} {folder.name}"
        return self.count

    async def publish(self, names: Names) -> None:
        assert all(target.number in self.loaded for target in names.values() if target)
        self.names = dict(names)
        self.published.append(self.names)

    async def unload(self, number: int) -> None:
        if number in self.busy:
            await self.busy[number].wait()
        assert all(target is None or target.number != number for target in self.names.values())
        del self.loaded[number]

    async def resident(self) -> frozenset[int]:
        return frozenset(self.loaded)

    def asked(self) -> dict[str, str]:
        return {name: self.loaded[target.number] for name, target in self.names.items() if target and "@" not in name}


class World:
    """A manager that runs, with everything it meets."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.errors: dict[str, AdapterError] = {}
        self.rank = 8
        self.source = {"path": "/"}
        self.pulls: dict[str, asyncio.Event] = {}
        self.checks: dict[str, asyncio.Event] = {}
        self.ended: list[str] = []
        self.kept: frozenset[str] = frozenset()
        self.keeps = 0
        self.statuses: tuple[AdapterStatus, ...] = ()
        self.now = 0.0
        self.manager = AdapterManager(
            Changes(self.report), workspace="ws", clock=lambda: self.now, wall=lambda: self.now
        )

    def report(self, statuses: tuple[AdapterStatus, ...]) -> None:
        self.statuses = statuses

    def keep(self, digests: frozenset[str]) -> None:
        self.kept = digests
        self.keeps += 1

    async def prepare(self, wanted: Wanted, say: Callable[[AdapterPhase], None]) -> Prepared:
        content = "+".join(part.name for part in wanted.parts) or f"{wanted.name}{wanted.spec['version']}"
        try:
            if content in self.pulls:
                await self.pulls[content].wait()
            say("Validating")
            if content in self.checks:
                await self.checks[content].wait()
        finally:
            self.ended.append(content)
        await asyncio.sleep(0)
        if wanted.name in self.errors:
            raise self.errors[wanted.name]
        return Prepared(f"sha256:{content}", f"/store/{content}", f"sha256:{content}", self.rank, 1)

    def want(self, *refused: Refused, **versions: int) -> None:
        wanted = {name: Wanted(name, "set", {**self.source, "version": version}) for name, version in versions.items()}
        self.manager.want(Merged(wanted, refused))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 - a thread of the manager's decides when
                await asyncio.sleep(0)

    async def settled(self) -> dict[str, tuple[str, str]]:
        async with asyncio.timeout(5):
            await self.manager.settled()
            for _ in range(20):
                await asyncio.sleep(0)
            await self.manager.settled()
        return {status["name"]: (status["state"], status["reason"]) for status in self.statuses}

    async def until_pulling(self, *names: str) -> None:
        states = dict.fromkeys(names, "Pulling")
        await self.until(lambda: states.items() <= {each["name"]: each["state"] for each in self.statuses}.items())


@asynccontextmanager
async def a_world(*, attached: bool = True) -> AsyncIterator[World]:
    world = World()
    running = asyncio.create_task(world.manager.run(world.prepare, world.keep))
    if attached:
        world.manager.attach(world.engine)
    try:
        yield world
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_adapters_come_change_and_go() -> None:
    async with a_world() as world:
        world.want(a=1)
        assert await world.settled() == {"a": ("Ready", "")}
        assert world.engine.asked() == {"a": "a a1", "ws": "a a1"}
        world.want(a=2)
        await world.settled()
        assert world.engine.asked() == {"a": "a a2", "ws": "a a2"}
        assert list(world.engine.loaded.values()) == ["a a2"]
        world.want()
        assert await world.settled() == {}
        assert (world.engine.loaded, world.engine.names) == ({}, {"ws": None})


async def test_several_are_added_up_and_the_sum_follows_them() -> None:
    async with a_world() as world:
        world.want(a=1, b=1)
        assert await world.settled() == {"a": ("Ready", ""), "b": ("Ready", ""), "ws": ("Ready", "")}
        assert world.engine.asked()["ws"] == "ws a+b"
        world.want(b=1)
        await world.settled()
        assert world.engine.asked() == {"b": "b b1", "ws": "b b1"}
        assert list(world.engine.loaded.values()) == ["b b1"]


async def test_the_workspace_has_its_name_while_more_adapters_come_one_after_the_other() -> None:
    async with a_world() as world:
        world.want(a=1)
        await world.settled()
        world.engine.slow = {"b": asyncio.Event(), "c": asyncio.Event()}
        world.want(a=1, b=1, c=1)
        world.engine.slow["b"].set()
        await world.until(lambda: "b" in world.engine.names)
        assert world.engine.asked() == {"a": "a a1", "b": "b b1", "ws": "a a1"}
        world.engine.slow["c"].set()
        await world.settled()
        assert world.engine.asked()["ws"] == "ws a+b+c"
        assert all("ws" in names for names in world.engine.published)


async def test_a_bad_one_touches_nobody_else() -> None:
    async with a_world() as world:
        world.errors["bad"] = BAD
        world.engine.fails.add("worse")
        world.want(Refused("taken", "NameTaken", "x"), bad=1, worse=1, good=1)
        assert await world.settled() == {
            "bad": ("Failed", "WeightsInvalid"),
            "worse": ("Failed", "LoadFailed"),
            "good": ("Ready", ""),
            "taken": ("Failed", "NameTaken"),
        }
        assert world.engine.asked() == {"good": "good good1", "ws": "good good1"}


async def test_a_folder_that_cannot_be_used_is_looked_at_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[threading.Thread] = []

    def look(path: Path) -> Folder:
        looked.append(threading.current_thread())
        return Folder(path, "mark", changed=-100.0)

    monkeypatch.setattr("kaito.runtime.adapters.manager.look", look)
    async with a_world() as world:
        world.errors["a"] = BAD
        world.manager.want(Merged({"a": Wanted("a", "directory", {"path": "/", "version": 1}, mark="mark")}))
        assert await world.settled() == {"a": ("Failed", "WeightsInvalid")}
    assert len(looked) == 1
    assert threading.current_thread() not in looked


async def test_a_bad_new_version_leaves_the_good_old_one_served() -> None:
    async with a_world() as world:
        world.want(a=1)
        await world.settled()
        world.errors["a"] = BAD
        world.want(a=2)
        assert await world.settled() == {"a": ("Failed", "WeightsInvalid")}
        assert world.engine.asked()["a"] == "a a1"


@pytest.mark.parametrize(
    ("largest", "reason", "says"), [(8, "RankAboveSlot", "=32"), (0, "NotLoraCapable", "--enable")]
)
async def test_a_rank_without_room_is_refused_with_the_flag_that_makes_room(
    largest: int, reason: str, says: str
) -> None:
    async with a_world() as world:
        world.engine.largest_rank, world.rank = largest, 20
        world.want(a=1)
        assert await world.settled() == {"a": ("Failed", reason)}
        assert says in world.statuses[0]["message"]
        assert (world.statuses[0]["rank"], world.engine.loaded) == (20, {})


async def test_what_requests_still_hold_drains_and_comes_back_under_a_new_number() -> None:
    async with a_world() as world:
        world.want(a=1)
        await world.settled()
        world.engine.busy[1] = asyncio.Event()
        world.want()
        assert await world.settled() == {"a": ("Draining", "")}
        world.want(a=1)
        assert await world.settled() == {"a": ("Ready", "")}
        assert world.engine.loaded == {1: "a a1", 2: "a a1"}
        world.engine.busy[1].set()
        await world.settled()
        assert world.engine.loaded == {2: "a a1"}


async def test_what_is_prepared_before_there_is_an_engine_is_loaded_when_there_is() -> None:
    async with a_world(attached=False) as world:
        world.want(a=1)
        await world.until(lambda: any(status["state"] == "Loading" for status in world.statuses))
        world.manager.attach(world.engine)
        assert await world.settled() == {"a": ("Ready", "")}


async def test_the_store_keeps_what_is_wanted_and_what_is_still_in_the_engine() -> None:
    async with a_world() as world:
        world.want(a=1)
        await world.settled()
        world.engine.busy[1] = asyncio.Event()
        world.want(a=2)
        await world.settled()
        await world.until(lambda: world.kept == {"sha256:a1", "sha256:a2"})
        world.engine.busy[1].set()
        await world.until(lambda: world.kept == {"sha256:a2"})


async def test_the_store_is_told_anew_when_what_came_into_it_is_for_nobody_any_more_and_not_before() -> None:
    async with a_world() as world:
        world.checks = {"a1": asyncio.Event()}
        world.want(a=1)
        await world.until(lambda: any(status["state"] == "Validating" for status in world.statuses))
        world.want(b=1)
        assert await world.settled() == {"b": ("Ready", "")}
        assert world.keeps == 0
        world.checks["a1"].set()
        await world.until(lambda: world.kept == {"sha256:b1"})


async def test_the_store_is_told_anew_after_what_failed() -> None:
    async with a_world() as world:
        world.errors["a"] = BAD
        world.want(a=1)
        await world.settled()
        await world.until(lambda: world.keeps > 0)


async def test_a_pull_of_what_is_not_wanted_any_more_ends_at_once_and_no_other() -> None:
    async with a_world() as world:
        world.source = {"image": "registry.example/a:1"}
        world.pulls = {"a1": asyncio.Event(), "b1": asyncio.Event()}
        world.want(a=1, b=1)
        await world.until_pulling("a", "b")
        world.want(b=1)
        await world.until(lambda: world.ended == ["a1"])
        assert [(each["name"], each["state"]) for each in world.statuses] == [("b", "Pulling")]
        world.pulls["b1"].set()
        assert await world.settled() == {"b": ("Ready", "")}


async def test_a_pull_from_a_source_that_was_changed_gives_way_to_the_new_one() -> None:
    async with a_world() as world:
        world.source = {"image": "registry.example/a:1"}
        world.pulls = {"a1": asyncio.Event()}
        world.want(a=1)
        await world.until_pulling("a")
        world.want(a=2)
        assert await world.settled() == {"a": ("Ready", "")}
        assert sorted(world.ended) == ["a1", "a2"]
        assert world.engine.asked()["a"] == "a a2"


async def test_a_pull_that_was_wanted_by_another_name_too_goes_on() -> None:
    async with a_world() as world:
        spec = {"image": "registry.example/a:1", "version": 1}
        world.pulls = {"a1": asyncio.Event()}
        world.manager.want(Merged({"a": Wanted("a", "set", spec)}))
        await world.until_pulling("a")
        world.manager.want(Merged({"a": Wanted("a", "api", {**spec, "aliases": ["b"]})}))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not world.ended
        world.pulls["a1"].set()
        assert await world.settled() == {"a": ("Ready", "")}
        assert set(world.engine.asked()) == {"a", "b", "ws"}


async def test_a_pull_that_is_tried_again_ends_too_when_it_is_not_wanted_any_more() -> None:
    async with a_world() as world:
        world.source = {"image": "registry.example/a:1"}
        world.errors["a"] = AdapterError("SourceUnreachable", "gone.", passes=True)
        world.want(a=1)
        assert await world.settled() == {"a": ("Failed", "SourceUnreachable")}
        world.pulls = {"a1": asyncio.Event()}
        world.now, world.ended = 60.0, []
        world.want(a=1)
        await asyncio.sleep(0.01)
        world.want()
        await world.until(lambda: world.ended == ["a1"])
        assert await world.settled() == {}


async def test_what_is_being_checked_is_left_to_its_end() -> None:
    async with a_world() as world:
        world.source = {"image": "registry.example/a:1"}
        world.checks = {"a1": asyncio.Event()}
        world.want(a=1)
        await world.until(lambda: any(each["state"] == "Validating" for each in world.statuses))
        world.want()
        assert await world.settled() == {}
        assert not world.ended
        world.checks["a1"].set()
        await world.until(lambda: world.ended == ["a1"])


async def test_a_storm_of_changes_ends_with_what_was_wanted_last() -> None:
    async with a_world() as world:
        for turn in range(200):
            world.want(**{name: turn for name in "abc" if turn % (ord(name) - 95)})
            await asyncio.sleep(0)
        world.want(a=1, c=2)
        await world.settled()
        assert world.engine.asked() == {"a": "a a1", "c": "c c2", "ws": "ws a+c"}
        assert sorted(world.engine.loaded.values()) == ["a a1", "c c2", "ws a+c"]
