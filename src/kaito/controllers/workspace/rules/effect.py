"""Fields that change nothing: whoever set one should know."""

from collections.abc import Iterator

from kaito.api import DataSource, InferenceSpec, Workspace
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding
from kaito.presets import Plan


def without_effect(workspace: Workspace) -> Iterator[Finding]:
    """Find what is kept for KAITO's manifests alone, and secrets for what is not there."""
    if workspace.resource.preferred_nodes:
        yield _no_effect("resource.preferredNodes", "nodes are made for each Workspace")
    if workspace.preset is not None:
        kind = "tuning" if workspace.tuning is not None else "inference"
        path = f"{kind}.preset"
        options = workspace.preset.preset_options
        if workspace.preset.access_mode == "private":
            yield _no_effect(f"{path}.accessMode", "the registry says where each preset's files come from")
        if options is not None and options.image is not None:
            yield _no_effect(f"{path}.presetOptions.image", "the registry says where each preset's files come from")
        if options is not None and options.image_pull_secrets:
            yield _no_effect(f"{path}.presetOptions.imagePullSecrets", "no image of the preset is pulled")
    for index, adapter in enumerate((workspace.inference or InferenceSpec()).adapters):
        yield from _secrets(f"inference.adapters[{index}].source", adapter.source)
    if workspace.tuning is not None:
        yield from _secrets("tuning.input", workspace.tuning.input)
        if workspace.tuning.output.image_push_secret is not None and workspace.tuning.output.image is None:
            yield _no_effect("tuning.output.imagePushSecret", "no image is pushed")


def count_without_effect(workspace: Workspace, plan: Plan) -> Iterator[Finding]:
    """Find a count that the preset does not need."""
    count = workspace.resource.count
    if count > plan.nodes:
        yield _no_effect("resource.count", f"{count} are asked for, and the preset is served from {plan.nodes}")


def _secrets(path: str, source: DataSource) -> Iterator[Finding]:
    if source.image_pull_secrets and source.image is None:
        yield _no_effect(f"{path}.imagePullSecrets", "no image is pulled")


def _no_effect(field: str, why: str) -> Finding:
    said = f"{field} has no effect: {why}."
    return Finding(Reason.FIELD_WITHOUT_EFFECT, field, said, "Remove it.", admission="warned", terminal=False)
