"""Pauses that double, spread by chance, and start over after a quiet time."""

from dataclasses import dataclass, replace

from kaito.core.clock import Jitter


@dataclass(frozen=True, slots=True)
class Backoff:
    """State of a series of pauses, in seconds. Defaults are client-go's for reflectors."""

    first: float = 0.8
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 1.0
    reset_after: float = 120.0
    current: float = 0.0
    last_used: float = float("-inf")

    def next(self, now: float, jitter: Jitter) -> "tuple[float, Backoff]":
        """Return a pause in [d, d * (1 + jitter)) and the state after it; `now` is monotonic."""
        fresh = now - self.last_used > self.reset_after or self.current == 0.0
        duration = self.first if fresh else min(self.current * self.factor, self.cap)
        return duration * (1 + self.jitter * jitter()), replace(self, current=duration, last_used=now)
