"""How long a key that failed waits. The limiters and their defaults are client-go's; none adds chance."""

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from kaito.core.clock import Clock

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)


class RateLimiter(Protocol[K_contra]):
    """Says how long a key waits before it is tried again."""

    def next(self, key: K_contra) -> float:
        """Count a failure and return the seconds to wait."""
        ...

    def failures(self, key: K_contra) -> int:
        """Return how often a key has failed since it last succeeded."""
        ...

    def forget(self, key: K_contra) -> None:
        """Start over: the key succeeded."""
        ...


class _Failures(Generic[K]):
    """Counts the failures of each key."""

    def __init__(self) -> None:
        self._failures: dict[K, int] = {}

    def failures(self, key: K) -> int:
        """Return how often a key has failed since it last succeeded."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """Start over: the key succeeded."""
        self._failures.pop(key, None)

    def _count(self, key: K) -> int:
        """Count a failure and return how many there were before it."""
        before = self._failures.get(key, 0)
        self._failures[key] = before + 1
        return before


class ExponentialBackoff(_Failures[K]):
    """Doubles from `base` to `cap` seconds with each failure of a key."""

    def __init__(self, base: float = 0.005, cap: float = 1000.0) -> None:
        super().__init__()
        self._base = base
        self._cap = cap

    def next(self, key: K) -> float:
        """Count a failure and return the seconds to wait."""
        try:
            return min(self._base * 2.0 ** self._count(key), self._cap)
        except OverflowError:
            return self._cap


class FastSlow(_Failures[K]):
    """`fast` seconds for the first `fast_failures` failures of a key, then `slow` ones."""

    def __init__(self, fast: float, slow: float, fast_failures: int) -> None:
        super().__init__()
        self._fast = fast
        self._slow = slow
        self._fast_failures = fast_failures

    def next(self, key: K) -> float:
        """Count a failure and return the seconds to wait."""
        return self._fast if self._count(key) < self._fast_failures else self._slow


class TokenBucket(Generic[K]):
    """Lets `burst` retries of all keys together through at once and `rate` a second after them. Never refuses."""

    def __init__(self, clock: Clock, rate: float = 10.0, burst: int = 100) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = clock.monotonic()

    def next(self, _key: K) -> float:
        """Take a token, from those to come if there is none; return the seconds until it is there."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate) - 1
        self._filled_at = now
        return max(0.0, -self._tokens / self._rate)

    def failures(self, _key: K) -> int:
        """Return 0: a bucket does not tell keys apart."""
        return 0

    def forget(self, _key: K) -> None:
        """Give no token back."""


class MaxOf(Generic[K]):
    """The longest of what several limiters say; each of them counts every failure."""

    def __init__(self, *limiters: RateLimiter[K]) -> None:
        self._limiters = limiters

    def next(self, key: K) -> float:
        """Count a failure and return the seconds to wait."""
        return max(limiter.next(key) for limiter in self._limiters)

    def failures(self, key: K) -> int:
        """Return how often a key has failed since it last succeeded."""
        return max(limiter.failures(key) for limiter in self._limiters)

    def forget(self, key: K) -> None:
        """Start over: the key succeeded."""
        for limiter in self._limiters:
            limiter.forget(key)


class MaxWait(Generic[K]):
    """Another limiter, but never more than `cap` seconds."""

    def __init__(self, limiter: RateLimiter[K], cap: float) -> None:
        self._limiter = limiter
        self._cap = cap

    def next(self, key: K) -> float:
        """Count a failure and return the seconds to wait."""
        return min(self._limiter.next(key), self._cap)

    def failures(self, key: K) -> int:
        """Return how often a key has failed since it last succeeded."""
        return self._limiter.failures(key)

    def forget(self, key: K) -> None:
        """Start over: the key succeeded."""
        self._limiter.forget(key)
