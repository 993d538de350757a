"""What this release takes but does not do: said at once, so that nobody waits for it."""

from collections.abc import Iterator

from kaito.api import Workspace
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding


def unserved(workspace: Workspace) -> Iterator[Finding]:
    """Find the parts of the spec that no code of this release acts on."""
    if workspace.tuning is not None:
        yield _unserved(Reason.TUNING_NOT_SUPPORTED, "tuning", "does not run tuning jobs")
    if workspace.inference is not None and workspace.inference.template is not None:
        yield _unserved(Reason.TEMPLATE_NOT_SUPPORTED, "inference.template", "serves presets only")
    if workspace.resource.partition is not None:
        yield _unserved(Reason.PARTITION_NOT_SUPPORTED, "resource.partition", "takes whole machines only")


def _unserved(reason: Reason, field: str, how: str) -> Finding:
    return Finding(
        reason,
        field,
        f"{field} is set, and this release of kaito {how}.",
        "Nothing was bought and nothing will be; delete the Workspace, or remove the field.",
        admission="warned",
    )
