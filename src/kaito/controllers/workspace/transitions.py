"""Events: what a change of the status is worth telling."""

from dataclasses import dataclass
from typing import Literal

from kaito.api import WorkspaceStatus


@dataclass(frozen=True)
class Occurrence:
    """An event to record on the Workspace."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def occurrences(before: WorkspaceStatus, after: WorkspaceStatus) -> tuple[Occurrence, ...]:
    """Return the events between two statuses: one for a new phase, one for a new failure; none for a new wording."""
    found = []
    failure = after.last_failure
    had = before.last_failure
    if failure is not None and (had is None or (had.reason, had.at) != (failure.reason, failure.at)):
        text = failure.message if failure.remedy in failure.message else f"{failure.message} {failure.remedy}"
        found.append(Occurrence("Warning", failure.reason, text))
    if after.phase != before.phase and after.phase not in {None, "Failed"}:
        found.append(Occurrence("Normal", after.phase or "", after.message or ""))
    return tuple(found)
