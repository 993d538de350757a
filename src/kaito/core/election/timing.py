"""How long a Lease lasts, and how often it is renewed."""

from dataclasses import dataclass
from typing import Final

from kaito.core.errors import KaitoError

JITTER: Final = 1.2
"""A candidate waits one to 1 + JITTER retry periods between its tries, from client-go."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds; the defaults are client-go's.

    Others may take the Lease when they saw no change of it for `lease`. The leader stops itself when its last success
    was `renew_deadline` ago: the difference covers clocks that run at different rates (by half, with the defaults).
    It tries to renew each `retry`. Raises KaitoError TimingInvalid for values that do not go together.
    """

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what client-go refuses."""
        if self.lease > self.renew_deadline > self.retry * JITTER and self.retry >= 1:
            return
        raise KaitoError(
            "TimingInvalid",
            f"leader election with lease {self.lease:g} s, renew deadline {self.renew_deadline:g} s, "
            f"retry {self.retry:g} s cannot work",
            terminal=True,
            remedy=f"Keep lease > renew deadline > {JITTER:g} * retry, and retry at 1 s or more.",
        )

    @property
    def request(self) -> float:
        """Longest wait for the answer to one request: half of the renew deadline, at least one second."""
        return max(1.0, self.renew_deadline / 2)

    @property
    def silence(self) -> float:
        """Longest silence of a watch that a candidate believes: a holder renews more often, with the defaults twice."""
        return max(self.retry, self.renew_deadline / 2)
