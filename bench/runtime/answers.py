"""Whether answers are what they should be: each a whole answer of one version. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Answered:
    """One answer: when it was asked and complete (seconds of one clock), HTTP status (0: no answer), and its text."""

    begin: float
    end: float
    status: int
    text: str = ""
    whole: bool = True


@dataclass(frozen=True)
class Change:
    """From `asked` to `ready` the version was being changed to `version`; then it had to answer."""

    asked: float
    ready: float
    version: str


def judge(answers: Iterable[Answered], references: Mapping[str, str], changes: list[Change]) -> Counter[str]:
    """Count answers that are whole ones of a version that may answer (`right`), and the others by what is wrong.

    `errors`: no 200, or cut off. `mixed`: no version's own text. `stale`: asked after another version was ready, and
    answered by one that no change since had named. `references` are the texts of the versions; `changes` in order, the
    first of them the version that served at first.
    """
    names = {text: version for version, text in references.items()}
    found: Counter[str] = Counter(right=0, errors=0, mixed=0, stale=0)
    for answer in answers:
        if answer.status != 200 or not answer.whole:
            found["errors"] += 1
        elif answer.text not in names:
            found["mixed"] += 1
        elif names[answer.text] not in allowed(answer, changes):
            found["stale"] += 1
        else:
            found["right"] += 1
    return found


def allowed(answer: Answered, changes: list[Change]) -> set[str]:
    """Return the versions that may give an answer: the last that was ready when it was asked, and those begun since."""
    ready = [number for number, change in enumerate(changes) if change.ready <= answer.begin]
    first = ready[-1] if ready else 0
    return {change.version for change in changes[first:] if change.asked <= answer.end}
