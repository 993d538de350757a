"""Scenarios times faults: every point is a run of its own, and ends as the run without any fault did."""

import gc
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from picture import picture
from scenarios import Scenario
from world import PROCESSES, Plans, Saved, World

from kaito.testing import CUTS, Fault, Misfortune, run

T = TypeVar("T")

BUSIEST_MINUTE: Final = 100
"""Requests of one process within one minute, whatever happens to it. Without faults there are 35, with one up to 50."""


@dataclass(frozen=True)
class Undisturbed:
    """How a scenario goes without faults: from where, the writes and events of each process, and the end."""

    start: Saved
    writes: dict[str, list[str]]
    events: dict[str, int]
    end: dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One run: for each process that is out of luck, the faults of its first life, of its second, …"""

    plans: Plans

    @property
    def faults(self) -> int:
        return sum(len(faults) for lives in self.plans.values() for faults in lives)

    def __str__(self) -> str:
        said = (
            f"{process} {', then '.join(str(fault) for faults in lives for fault in faults)}"
            for process, lives in self.plans.items()
        )
        return " and ".join(said)


def undisturbed(scenario: Scenario) -> Undisturbed:
    """Run a scenario in good luck."""

    async def prepare(world: World) -> Saved:
        await scenario.prepare(world)
        return world.save()

    async def perform(world: World) -> Undisturbed:
        await scenario.perform(world, {})
        lucks = {name: process.luck for name, process in world.processes.items()}
        writes = {name: luck.writes for name, luck in lucks.items()}
        return Undisturbed(start, writes, {name: luck.events for name, luck in lucks.items()}, picture(world))

    start = in_world(None, prepare)
    return in_world(start, perform)


def disturbed(scenario: Scenario, start: Saved, point: Point) -> tuple[dict[str, Any], int]:
    """Run a scenario with faults; return its end and how many of them happened."""

    async def perform(world: World) -> tuple[dict[str, Any], int]:
        await scenario.perform(world, point.plans)
        return picture(world), world.struck

    return in_world(start, perform)


def in_world(start: Saved | None, work: Callable[[World], Awaitable[T]]) -> T:
    """Do something in a world of its own. Python's own garbage is left for later: a run makes little."""

    async def main() -> T:
        with tempfile.TemporaryDirectory() as folder:
            async with World.running(Path(folder), start) as world:
                done = await work(world)
                for name in PROCESSES:
                    asked = world.server.busiest_minute(by=name)
                    assert asked <= BUSIEST_MINUTE, f"{name} made {asked} requests within one minute"
                return done

    gc.disable()
    try:
        return run(main(), elapsed=start.seconds if start else 0.0)
    finally:
        gc.enable()


def points(normal: Undisturbed, misfortunes: tuple[Misfortune, ...], *, events_too: bool = False) -> Iterator[Point]:
    """Every write, or event of a watch, of every process with each of the misfortunes.

    Writes of Event objects count among all, but are points only with `events_too`: nothing is read from them.
    """
    for process in PROCESSES:
        for misfortune in misfortunes:
            if misfortune in CUTS:
                numbers = range(1, normal.events[process] + 1)
            else:
                writes = enumerate(normal.writes[process], start=1)
                numbers = [number for number, write in writes if events_too or not write.endswith("/events")]
            for number in numbers:
                yield Point({process: [[Fault(misfortune, number)]]})


def pairs(normal: Undisturbed) -> Iterator[Point]:
    """Two deaths in one run: of one process after the other, or of both. The second of a pair may come to nothing."""
    deaths = {process: [point.plans[process][0] for point in kills(normal, process)] for process in PROCESSES}
    for process, firsts in deaths.items():
        for index, first in enumerate(firsts):
            for again in firsts[: len(firsts) - index + 1]:
                yield Point({process: [first, again]})
    ours, theirs = PROCESSES
    for one in deaths[ours]:
        for other in deaths[theirs]:
            yield Point({ours: [one], theirs: [other]})


def kills(normal: Undisturbed, process: str) -> list[Point]:
    """Every write of one process, killed after it."""
    return [point for point in points(normal, (Misfortune.KILLED_UNANSWERED,)) if process in point.plans]


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Say where two pictures differ."""
    lines = [f"missing: {key}" for key in expected.keys() - found.keys()]
    lines += [f"surplus: {key}" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        lines += _inner(key, expected[key], found[key])
    return sorted(lines)


def _inner(path: str, expected: Any, found: Any) -> list[str]:
    if expected == found:
        return []
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = expected.keys() | found.keys()
        return [line for key in sorted(keys) for line in _inner(f"{path}.{key}", expected.get(key), found.get(key))]
    return [f"{path}: {expected!r} became {found!r}"]
