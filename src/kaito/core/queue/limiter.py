"""How long a key that failed waits."""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class ExponentialBackoff(Generic[K]):
    """Doubles from `base` to `cap` seconds with each failure of a key. Defaults are client-go's; there is no jitter."""

    def __init__(self, base: float = 0.005, cap: float = 1000.0) -> None:
        self._base = base
        self._cap = cap
        self._failures: dict[K, int] = {}

    def next(self, key: K) -> float:
        """Count a failure and return the seconds to wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        try:
            return min(self._base * 2.0**failures, self._cap)
        except OverflowError:
            return self._cap

    def failures(self, key: K) -> int:
        """Return how often a key has failed since it last succeeded."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """Start over: the key succeeded."""
        self._failures.pop(key, None)
