"""What a reconcile's result or error means for its key. The table is controller-runtime's."""

from dataclasses import dataclass
from typing import Final, Literal

from kaito.core.errors import KaitoError


@dataclass(frozen=True)
class Result:
    """The reconcile is done; it wants to run again in `requeue_after` seconds, if given.

    `requeue` asks for another run after the key's back-off, which grows as if it were an error; say when instead where
    you can. `priority` replaces the one that the key came with.
    """

    requeue_after: float | None = None
    requeue: bool = False
    priority: int | None = None


DONE: Final = Result()

Label = Literal["error", "requeue_after", "requeue", "success"]


@dataclass(frozen=True)
class Outcome:
    """What to do with the key: forget its failures, and add it again after seconds, its back-off, or never."""

    label: Label
    forget: bool = False
    after: float | None = None
    back_off: bool = False
    terminal: bool = False
    priority: int | None = None


SUCCESS: Final = Outcome("success", forget=True)


def outcome_of(result: Result | Exception) -> Outcome:
    """Return the row of the decision table for a result or an error."""
    match result:
        case KaitoError(terminal=True):
            return Outcome("error", terminal=True)
        case KaitoError(retry_after=pause) if pause is not None:
            return Outcome("error", after=pause)
        case Exception():
            return Outcome("error", back_off=True)
        case Result(requeue_after=pause, priority=priority) if pause is not None and pause > 0:
            return Outcome("requeue_after", forget=True, after=pause, priority=priority)
        case Result(requeue=True, priority=priority):
            return Outcome("requeue", back_off=True, priority=priority)
        case _:
            return SUCCESS
