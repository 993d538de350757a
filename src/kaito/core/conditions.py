"""Status conditions: the transition time moves only when the status does."""

from datetime import datetime
from typing import Final, Protocol

from kaito.core.clock import timestamp
from kaito.core.objects import Object

_MOVED_BY_STATUS: Final = ("lastTransitionTime",)
_MOVED_BY_REASON: Final = ("lastTransitionTime", "lastUpdateTime")


def condition(status: Object, kind: str) -> Object | None:
    """Return the condition of type `kind`, or None."""
    return next((item for item in status.get("conditions") or () if item.get("type") == kind), None)


def with_condition(conditions: list[Object], new: Object) -> list[Object]:
    """Return `conditions` with `new` in the place of the one of its type.

    An equal status keeps the old `lastTransitionTime`, an equal status and reason the old `lastUpdateTime` too, so that
    nothing is written for a change of times alone.
    """
    old = condition({"conditions": conditions}, new["type"])
    if old is None:
        return [*conditions, new]
    merged = new
    if old.get("status") == new["status"]:
        unmoved = _MOVED_BY_REASON if old.get("reason") == new.get("reason") else _MOVED_BY_STATUS
        merged = {**new, **{name: old[name] for name in unmoved if name in old}}
    return [merged if item.get("type") == new["type"] else item for item in conditions]


def without_condition(conditions: list[Object], kind: str) -> list[Object]:
    """Return `conditions` without the one of type `kind`."""
    return [item for item in conditions if item.get("type") != kind]


class Timed(Protocol):
    """A condition as a model."""

    @property
    def status(self) -> str:
        """True, False or Unknown."""

    @property
    def last_transition_time(self) -> str | None:
        """When the status became what it is."""


def transition_time(before: Timed | None, status: str, now: datetime) -> str:
    """Return the transition time of a condition that has `status` now and was `before`."""
    if before is None or before.status != status or not before.last_transition_time:
        return timestamp(now)
    return before.last_transition_time
