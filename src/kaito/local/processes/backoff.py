"""How long a crashed process waits before it is started again. Pure."""

from dataclasses import dataclass

FIRST_SECONDS = 1.0
MOST_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A process that ran this long starts its back-off anew."""


@dataclass(frozen=True)
class Backoff:
    """1 s, doubled with every crash up to 30 s."""

    crashes: int = 0

    def crashed(self, ran_seconds: float) -> "Backoff":
        """Return the back-off after one more crash of a process that had run for `ran_seconds`."""
        return Backoff(1 if ran_seconds >= STEADY_SECONDS else self.crashes + 1)

    @property
    def seconds(self) -> float:
        """Wait before the next start."""
        if self.crashes == 0:
            return 0.0
        return float(min(FIRST_SECONDS * 2 ** min(self.crashes - 1, 10), MOST_SECONDS))
