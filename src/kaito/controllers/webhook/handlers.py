"""What is answered about a Workspace that is written."""

from typing import Any

from pydantic import ValidationError

from kaito.api import Workspace
from kaito.controllers.webhook.defaults import additions
from kaito.controllers.workspace.rules import Catalogue, Finding, findings, new_findings
from kaito.core.admission import AdmissionRequest, Cause, Verdict


class WorkspaceAdmission:
    """Answers by the rules that the controller follows too."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def validate(self, request: AdmissionRequest) -> Verdict:
        """Refuse what can never be served, warn about what should be known.

        An update is refused for what it makes wrong, never for what was wrong before: old objects stay editable. An
        object that is being deleted passes, so that its finalizers can go.
        """
        if request.object is None or "deletionTimestamp" in request.object.get("metadata", {}):
            return Verdict()
        try:
            workspace = _read(request.object)
        except ValidationError as error:
            return Verdict.invalid([_unreadable(one) for one in error.errors()])
        found = findings(workspace, self._catalogue)
        before = _readable(request.old_object)
        new = new_findings(workspace, before, self._catalogue) if before is not None else found
        warnings = tuple(dict.fromkeys(finding.text for finding in found if not finding.refused))
        refused = [finding for finding in new if finding.refused]
        return Verdict.invalid([_cause(one) for one in refused], warnings) if refused else Verdict(warnings=warnings)

    async def mutate(self, request: AdmissionRequest) -> Verdict:
        """Add what is left out."""
        return Verdict(patch=additions(request.object or {}))


def _read(obj: dict[str, Any]) -> Workspace:
    """Return an object without its status, which is not its author's to answer for. Raises ValidationError."""
    return Workspace.model_validate({name: value for name, value in obj.items() if name != "status"})


def _readable(obj: dict[str, Any] | None) -> Workspace | None:
    """Return the object as it was; None where there was none, or one that no rule can be held against."""
    try:
        return _read(obj) if obj is not None else None
    except ValidationError:
        return None


def _cause(finding: Finding) -> Cause:
    return Cause(finding.field, finding.text, finding.reason)


def _unreadable(error: Any) -> Cause:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    return Cause(path, f"{error['msg']}.")
