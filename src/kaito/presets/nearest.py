"""The names that a misspelt one was most likely meant to be."""

from collections.abc import Iterable
from difflib import SequenceMatcher


def nearest(name: str, names: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """Return the `count` names most similar to `name`, best first, whatever the case; fewer when there are fewer."""
    wanted = name.lower()
    ranked = sorted(names, key=lambda known: (-SequenceMatcher(None, wanted, known.lower()).ratio(), known))
    return tuple(ranked[:count])
