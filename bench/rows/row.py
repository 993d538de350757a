"""What every row has in common: runs in turns, medians, verdicts."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Figures = dict[str, float]
Medians = Mapping[str, Figures]
"""Medians of each figure, by peer."""


@dataclass(frozen=True)
class Run:
    """One peer, once."""

    peer: str
    round: int
    figures: Figures


@dataclass(frozen=True)
class Verdict:
    """A target, what came out, and whether that is enough; None: not to be said, such as without the peer."""

    target: str
    found: str
    met: bool | None


@dataclass(frozen=True)
class Row:
    """One line of the table. `run` takes the peers and the number of rounds."""

    name: str
    title: str
    peers: tuple[str, ...]
    run: Callable[[Sequence[str], int], Iterator[Run]]
    verdicts: Callable[[Medians], list[Verdict]]

    def judge(self, runs: Sequence[Run]) -> list[Verdict]:
        """Compare what was measured with the targets."""
        return self.verdicts(medians(runs))


def in_turns(measure: Callable[[str], Figures]) -> Callable[[Sequence[str], int], Iterator[Run]]:
    """Return a way to run peers A-B-A-B: one after the other, and again."""

    def run(peers: Sequence[str], rounds: int) -> Iterator[Run]:
        for number in range(1, rounds + 1):
            for peer in peers:
                yield Run(peer, number, measure(peer))

    return run


def medians(runs: Sequence[Run]) -> dict[str, Figures]:
    """Return the median of each figure by peer."""
    found: dict[str, Figures] = {}
    for peer in dict.fromkeys(run.peer for run in runs):
        own = [run.figures for run in runs if run.peer == peer]
        names = dict.fromkeys(name for figures in own for name in figures)
        found[peer] = {name: statistics.median(f[name] for f in own if name in f) for name in names}
    return found


def at_most(target: str, value: float | None, limit: float, unit: str = "") -> Verdict:
    """Say whether `value` is at most `limit`."""
    if value is None:
        return Verdict(target, "not measured", None)
    return Verdict(target, f"{value:.3g}{unit}", value <= limit)


def at_least(target: str, value: float | None, limit: float, unit: str = "") -> Verdict:
    """Say whether `value` is at least `limit`."""
    if value is None:
        return Verdict(target, "not measured", None)
    return Verdict(target, f"{value:.3g}{unit}", value >= limit)


def ratio(found: Medians, figure: str, peer: str, to: str) -> float | None:
    """Return a figure of `peer` as a multiple of that of `to`, or None if one of them is missing."""
    own, other = found.get(peer, {}).get(figure), found.get(to, {}).get(figure)
    return None if own is None or not other else own / other
