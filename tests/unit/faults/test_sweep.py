"""Killed at any write, refused at any write, cut off at any event: the end is that of an undisturbed run."""

from functools import cache

import pytest
import structlog
from scenarios import SCENARIOS, Scenario
from sweep import Point, Undisturbed, differences, disturbed, pairs, points, undisturbed

from kaito.core.errors import KaitoError
from kaito.testing import CUTS, KILLS, REFUSALS, Misfortune

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
SHORT = ("create", "edit", "add an adapter", "remove an adapter", "delete", "delete while launching")


@pytest.fixture(autouse=True)
def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


@pytest.mark.parametrize("name", SHORT)
def test_killed_after_any_write_the_end_is_the_same(name: str) -> None:
    sweep(name, (Misfortune.KILLED_UNANSWERED,))


def test_an_unanswered_write_before_watches_fall_behind_changes_nothing() -> None:
    sweep("create", (Misfortune.LAGGING,))


@pytest.mark.soak
@pytest.mark.parametrize("misfortune", [*KILLS, *REFUSALS, *CUTS])
@pytest.mark.parametrize("name", BY_NAME)
def test_whatever_happens_at_any_write_or_event_the_end_is_the_same(name: str, misfortune: Misfortune) -> None:
    sweep(name, (misfortune,), events_too=True)


@pytest.mark.soak
@pytest.mark.parametrize("name", BY_NAME)
def test_killed_twice_in_one_run_the_end_is_the_same(name: str) -> None:
    check(name, list(pairs(normally(name))))


def sweep(name: str, misfortunes: tuple[Misfortune, ...], *, events_too: bool = False) -> None:
    check(name, list(points(normally(name), misfortunes, events_too=events_too)))


def check(name: str, chosen: list[Point]) -> None:
    scenario, normal = BY_NAME[name], normally(name)
    assert chosen, "nothing is written"
    print(f"{name}: {len(chosen)} points")
    failures = [failure for point in chosen if (failure := judge(scenario, point, normal))]
    assert not failures, "\n".join([f"{len(failures)} of {len(chosen)} points end otherwise:", *failures])


@cache
def normally(name: str) -> Undisturbed:
    return undisturbed(BY_NAME[name])


def judge(scenario: Scenario, point: Point, normal: Undisturbed) -> str:
    """Run one point; say what was wrong, if anything was."""
    try:
        end, struck = disturbed(scenario, normal.start, point)
    except (AssertionError, KaitoError, ValueError) as error:
        return f"{point}: {type(error).__name__}: {error}"
    if not struck or (point.faults == 1 and struck != 1):
        return f"{point}: {struck} of {point.faults} faults happened"
    if scenario.may_buy_less and set(end["bought"]) <= set(normal.end["bought"]):
        end["bought"] = normal.end["bought"]
    found = differences(normal.end, end)
    return f"{point}: " + "; ".join(found) if found else ""
