"""What this release takes but does not do: said at once, so that nobody waits for it."""

import re
from collections.abc import Iterator

from kaito.api import InferenceSpec, Workspace
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding

_FULL_STRENGTH = r"1(\.0+)?"


def unserved(workspace: Workspace) -> Iterator[Finding]:
    """Find the parts of the spec that no code of this release acts on."""
    if workspace.tuning is not None:
        yield _unserved(Reason.TUNING_NOT_SUPPORTED, "tuning", "does not run tuning jobs")
    if workspace.inference is not None and workspace.inference.template is not None:
        yield _unserved(Reason.TEMPLATE_NOT_SUPPORTED, "inference.template", "serves presets only")
    if workspace.resource.partition is not None:
        yield _unserved(Reason.PARTITION_NOT_SUPPORTED, "resource.partition", "takes whole machines only")
    for index, adapter in enumerate((workspace.inference or InferenceSpec()).adapters):
        if adapter.source.volume_source is None:
            field = f"inference.adapters[{index}].source"
            how = "takes adapters from volumes only (volumeSource)"
            yield _unserved(Reason.ADAPTER_SOURCE_NOT_SUPPORTED, field, how)
        if adapter.strength is not None and not re.fullmatch(_FULL_STRENGTH, adapter.strength):
            field = f"inference.adapters[{index}].strength"
            yield _unserved(Reason.ADAPTER_SOURCE_NOT_SUPPORTED, field, "serves adapters at full strength only")


def _unserved(reason: Reason, field: str, how: str) -> Finding:
    return Finding(
        reason,
        field,
        f"{field} is set, and this release of kaito {how}.",
        "Nothing was bought and nothing will be; delete the Workspace, or remove the field.",
        admission="warned",
    )
