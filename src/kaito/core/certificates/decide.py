"""What is to be done about the certificates now. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from kaito.core.certificates.material import Material

_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Policy:
    """How long a generation lives, when the next one is made, and how long callers have to learn of it.

    The last third of the default life is 30 days: an alert that fires 14 days before the end fires only when rotation
    has been failing for half of that. `overlap` covers every replica's and API server's look at the new authority.
    """

    lifetime: timedelta = timedelta(days=90)
    renew_at: float = 2 / 3
    overlap: timedelta = timedelta(minutes=5)
    check: timedelta = timedelta(seconds=30)

    @classmethod
    def lasting(cls, lifetime: timedelta) -> "Policy":
        """Return the policy for another lifetime; what is too long for a short one is shortened with it."""
        usual = cls()
        return cls(lifetime, overlap=min(usual.overlap, lifetime / 10), check=min(usual.check, lifetime / 30))

    def too_long(self, material: Material, now: datetime) -> bool:
        """Say whether what is served outlives what was asked for since; clocks may be some minutes apart."""
        return material.current.not_after - now > self.lifetime * 1.1 + _SKEW

    def renewal(self, material: Material) -> datetime:
        """Return the moment at which the next generation is due."""
        current = material.current
        return current.not_before + (current.not_after - current.not_before) * self.renew_at


class Action(Enum):
    """The next step of the material's life."""

    KEEP = auto()
    MAKE = auto()
    """There is nothing that could be served: a first generation, at once."""
    STAGE = auto()
    """Make the next generation, and let callers get to know it."""
    PROMOTE = auto()
    """Serve the next generation."""


def decide(material: Material | None, now: datetime, names: frozenset[str], policy: Policy) -> Action:
    """Return what is to be done with what the Secret holds (None: nothing of use) to serve `names`."""
    if material is None:
        return Action.MAKE
    current, upcoming = material.current, material.upcoming
    usable = names <= current.names and current.not_before <= now < current.not_after
    if upcoming is not None and names <= upcoming.names and now < upcoming.not_after:
        due = material.next_after is None or now >= material.next_after
        return Action.PROMOTE if due or not usable else Action.KEEP
    if not usable:
        return Action.MAKE
    due = now >= policy.renewal(material) or policy.too_long(material, now)
    return Action.STAGE if due else Action.KEEP
