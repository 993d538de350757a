"""Ratios of two sides measured in turns, and how sure they are. Pure."""

import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.rows.row import Run

RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A median and the interval it lies in with a probability of `LEVEL`."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def pairs(runs: Iterable[Run], figure: str, own: str, other: str) -> list[tuple[float, float]]:
    """Return what both peers showed in the same round; rounds that lack one of them are left out."""
    by_round: dict[int, dict[str, float]] = {}
    for run in runs:
        if figure in run.figures:
            by_round.setdefault(run.round, {})[run.peer] = run.figures[figure]
    return [(found[own], found[other]) for _, found in sorted(by_round.items()) if own in found and other in found]


def ratios(found: Iterable[tuple[float, float]]) -> list[float]:
    """Return the first of each pair as a multiple of the second."""
    return [own / other for own, other in found if other]


def interval(values: Sequence[float], seed: int = 1) -> Interval:
    """Return the median and its percentile-bootstrap interval: rounds drawn again with replacement.

    Raises ValueError without a value. The same values give the same interval.
    """
    if not values:
        raise ValueError("no value")
    source = random.Random(seed)
    drawn = sorted(statistics.median(source.choices(values, k=len(values))) for _ in range(RESAMPLES))
    outside = round(RESAMPLES * (1 - LEVEL) / 2)
    return Interval(statistics.median(values), drawn[outside], drawn[-1 - outside])


def order(peers: Sequence[str], number: int) -> list[str]:
    """Return who goes first in a round, counted from 1: A-B, B-A, A-B, ... so that a drift hits both alike."""
    return list(peers) if number % 2 else list(reversed(peers))
