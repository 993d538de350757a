"""A row that is judged by ratios of what two peers showed in the same rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.rows.row import Row, Run, Verdict
from bench.runtime.interval import interval, pairs, ratios


@dataclass(frozen=True)
class Paired:
    """`own` may show at most `most` times what `other` does, and the interval's upper end be `upper` at most.

    Without the two, the ratio is stated and not judged.
    """

    figure: str
    own: str
    other: str
    most: float | None = None
    upper: float | None = None

    def verdict(self, runs: Sequence[Run]) -> Verdict:
        """Judge the rounds."""
        target = f"{self.figure}: {self.own} beside {self.other}"
        if self.most is not None:
            target += f", at most {self.most:g} times, with 95 % at most {self.upper:g}"
        found = ratios(pairs(runs, self.figure, self.own, self.other))
        if not found:
            return Verdict(target, "not measured", None)
        seen = interval(found)
        if self.most is None or self.upper is None:
            return Verdict(target, f"{seen} times", None)
        return Verdict(target, f"{seen} times", seen.median <= self.most and seen.high <= self.upper)


@dataclass(frozen=True)
class PairedRow(Row):
    """A row with such ratios beside its other verdicts."""

    paired: tuple[Paired, ...] = ()

    def judge(self, runs: Sequence[Run]) -> list[Verdict]:
        """Compare with the targets."""
        return [*(one.verdict(runs) for one in self.paired), *super().judge(runs)]


MOST: Final = 1.03
UPPER: Final = 1.05
