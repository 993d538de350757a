"""A folder that is replaced is gone for a moment: whoever puts another in its place moves the old one away first."""

from collections.abc import Mapping

from kaito.runtime.adapters.wanted import Wanted

LINGER_SECONDS = 1.0
"""How long an adapter of the directory stays wanted after its folder has gone."""


class Lingering:
    """Keeps what the directory wanted for a moment longer. Pure but for what it remembers; `now` in seconds."""

    def __init__(self) -> None:
        self._known: dict[str, Wanted] = {}
        self._gone: dict[str, float] = {}

    def keep(self, wanted: Mapping[str, Wanted], now: float) -> dict[str, Wanted]:
        """Return what is wanted, with those of the directory that are missing since less than `LINGER_SECONDS`."""
        missing = {name: each for name, each in self._known.items() if name not in wanted}
        self._gone = {name: self._gone.get(name, now) for name in missing}
        kept = {name: each for name, each in missing.items() if now - self._gone[name] < LINGER_SECONDS}
        self._known = {name: each for name, each in wanted.items() if each.origin == "directory"} | kept
        return {**wanted, **kept}

    def ends_in(self, now: float) -> float | None:
        """Return the seconds until the next of them is wanted no more; None when none is missing."""
        since = [self._gone[name] for name in self._known if name in self._gone]
        return max(0.0, min(since) + LINGER_SECONDS - now) if since else None
