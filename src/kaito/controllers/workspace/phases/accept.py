"""Accept: the spec is one that can be served, as far as the API server could not check it."""

from collections.abc import Iterable

from kaito.api import WORKSPACE_FINALIZER
from kaito.controllers.workspace.rules import Finding, spec_findings
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.controllers.workspace.step import Failure, SetFinalizers, Step


def accept(snapshot: Snapshot) -> Step:
    """Hold the Workspace by our finalizer, unless it can never be served; then nothing was made that needs one."""
    failure = failure_of(spec_findings(snapshot.workspace))
    if failure is not None:
        return Step(outcome=failure)
    finalizers = snapshot.workspace.metadata.finalizers
    if WORKSPACE_FINALIZER in finalizers:
        return Step()
    return Step(actions=(SetFinalizers((*finalizers, WORKSPACE_FINALIZER)),))


def failure_of(findings: Iterable[Finding]) -> Failure | None:
    """Return the first terminal finding as the end of the Workspace, with all that are wrong for the same reason."""
    terminal = [finding for finding in findings if finding.terminal]
    if not terminal:
        return None
    first = terminal[0]
    same = [finding for finding in terminal if finding.reason == first.reason]
    messages = dict.fromkeys(finding.message for finding in same)
    remedies = dict.fromkeys(finding.remedy for finding in same)
    return Failure(first.reason, " ".join(messages), " ".join(remedies), terminal=True)
