"""The models' names on the API: preset, Workspace and adapters, which a request tells apart by nothing else."""

from collections.abc import Iterator

from kaito.api import InferenceSpec, Workspace
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding
from kaito.presets import Preset


def names(workspace: Workspace, preset: Preset) -> Iterator[Finding]:
    """Find names that are the preset's, under whatever alias the Workspace asked for it, or the Workspace's."""
    own = workspace.metadata.name
    if workspace.inference is not None and own == preset.name:
        yield _clash("metadata.name", own, "the preset")
    for index, adapter in enumerate((workspace.inference or InferenceSpec()).adapters):
        other = {preset.name: "the preset", own: "the Workspace"}.get(adapter.source.name or "")
        if other:
            yield _clash(f"inference.adapters[{index}].source.name", adapter.source.name or "", other)


def _clash(field: str, name: str, other: str) -> Finding:
    return Finding(
        Reason.MODEL_NAMES_CLASH,
        field,
        f"{field} {name!r} is the name of {other} too, and both are model names on the API.",
        "Give it another name.",
    )
