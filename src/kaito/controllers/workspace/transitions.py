"""Events: what a change of the status is worth telling."""

from dataclasses import dataclass
from typing import Literal

from kaito.api import AdapterState, WorkspaceStatus
from kaito.controllers.workspace.reasons import Reason


@dataclass(frozen=True)
class Occurrence:
    """An event to record on the Workspace."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def occurrences(before: WorkspaceStatus, after: WorkspaceStatus) -> tuple[Occurrence, ...]:
    """Return the events between two statuses: for a new phase, a new failure, an adapter that came to its end.

    None is for a new wording.
    """
    found = []
    failure = after.last_failure
    had = before.last_failure
    if failure is not None and (had is None or (had.reason, had.at) != (failure.reason, failure.at)):
        text = failure.message if failure.remedy in failure.message else f"{failure.message} {failure.remedy}"
        found.append(Occurrence("Warning", failure.reason, text))
    if after.phase != before.phase and after.phase not in {None, "Failed"}:
        found.append(Occurrence("Normal", after.phase or "", after.message or ""))
    had_adapters = {adapter.name: adapter for adapter in before.adapters}
    for adapter in after.adapters:
        found += _adapter(had_adapters.get(adapter.name), adapter)
    return tuple(found)


def _adapter(before: AdapterState | None, after: AdapterState) -> list[Occurrence]:
    if before is not None and (before.state, before.reason, before.digest) == (after.state, after.reason, after.digest):
        return []
    if after.state == "Ready":
        return [Occurrence("Normal", Reason.ADAPTER_READY, f"Adapter {after.name} is served.")]
    if after.state == "Failed":
        said = f"Adapter {after.name} is not served. {after.reason}: {after.message}"
        return [Occurrence("Warning", Reason.ADAPTER_FAILED, said)]
    return []
