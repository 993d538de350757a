"""What a controller asked for and its cache has not shown yet, counted per key, as Kubernetes' ReplicaSets do.

A controller that creates objects under generated names cannot ask the cache for them by key, as `Cache.at_least` and
the wait for own writes do; it counts.
"""

from dataclasses import dataclass, field
from typing import Final

from kaito.core.clock import Clock
from kaito.core.objects import Key

EXPIRY_SECONDS: Final = 5 * 60.0
"""After so long an event is not to be expected any more; from Kubernetes' controllers."""


@dataclass(slots=True)
class _Expected:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)


class Expectations:
    """Counts, for each key, creations and deletions that were asked for and not seen. They expire after five minutes.

    Expect before asking, so that an event cannot come first; take back what the server refused by calling `created` or
    `deleted` as if it had been seen.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected: dict[Key, _Expected] = {}

    def expect(self, key: Key, *, creations: int = 0, deletions: frozenset[str] = frozenset()) -> None:
        """Count so many creations more for `key`, and the deletions of objects with these uids."""
        expected = self._expected.setdefault(key, _Expected(0.0))
        expected.since = self._clock.monotonic()
        expected.creations += creations
        expected.deletions |= deletions

    def created(self, key: Key) -> None:
        """Note that an object of `key` was seen."""
        if (expected := self._expected.get(key)) is not None:
            expected.creations = max(expected.creations - 1, 0)

    def deleted(self, key: Key, uid: str) -> None:
        """Note that an object of `key` is gone, or about to."""
        if (expected := self._expected.get(key)) is not None:
            expected.deletions.discard(uid)

    def fulfilled(self, key: Key) -> bool:
        """Say whether the cache shows all that was asked for `key`, so that its objects may be counted."""
        expected = self._expected.get(key)
        if expected is None:
            return True
        expired = self._clock.monotonic() - expected.since > EXPIRY_SECONDS
        if expired or not (expected.creations or expected.deletions):
            del self._expected[key]
            return True
        return False

    def forget(self, key: Key) -> None:
        """Drop what is expected for a key that is gone."""
        self._expected.pop(key, None)
