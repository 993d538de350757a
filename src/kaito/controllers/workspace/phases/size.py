"""Size: what will be bought and how the model will run on it, before anything is."""

from kaito.controllers.workspace.phases.accept import failure_of
from kaito.controllers.workspace.rules import plan_findings
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Step


def size(snapshot: Snapshot) -> Step:
    """Make the plan. Unknown names and a preset that does not fit the machine end the Workspace here."""
    plan, found = plan_findings(snapshot.workspace, snapshot.catalogue)
    if (failure := failure_of(found)) is not None:
        return Step(outcome=failure)
    if plan is None:
        raise RuntimeError("a Workspace without a preset was accepted")
    return Step(plan=plan)
