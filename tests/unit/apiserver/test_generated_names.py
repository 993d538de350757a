"""Names that the server makes: another one where the first is taken, up to a limit."""

import random

from kaito.apiserver import metadata
from kaito.core import Object

NOW = "2026-01-01T00:00:00Z"


def begun(taken: set[str], seed: int = 1) -> tuple[str, list[str]]:
    """The name of a new object, and the names that were looked up for it."""
    asked: list[str] = []

    def is_taken(name: str) -> bool:
        asked.append(name)
        return name in taken

    obj: Object = {"metadata": {"generateName": "job-"}}
    metadata.begin(obj, NOW, random.Random(seed), is_taken)
    return obj["metadata"]["name"], asked


def test_a_name_that_is_taken_is_left_alone() -> None:
    first, _ = begun(set())
    second, asked = begun({first})
    assert second != first
    assert asked == [first, second]


def test_after_seven_more_tries_the_last_name_is_refused_by_the_caller() -> None:
    everything = {name for _ in range(1) for name in _names(100)}
    last, asked = begun(everything)
    assert len(asked) == 8
    assert asked[-1] == last


def _names(count: int) -> list[str]:
    chance = random.Random(1)
    return [metadata.generated_name("job-", chance) for _ in range(count)]
