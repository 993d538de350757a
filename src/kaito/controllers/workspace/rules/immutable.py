"""What an edit must not change: what is bought, labelled, served or trained. The CRD's rules say the same."""

from collections.abc import Iterator
from typing import Any

from kaito.api import PresetSpec, Workspace
from kaito.controllers.workspace.reasons import Reason
from kaito.controllers.workspace.rules.finding import Finding


def immutable(workspace: Workspace, before: Workspace) -> Iterator[Finding]:
    """Find the fields that an edit changed and must not."""
    was = dict(_fixed(before))
    for field, value in _fixed(workspace):
        if field in was and was[field] != value:
            said = f"{field} is immutable."
            yield Finding(Reason.FIELD_IMMUTABLE, field, said, "Make a new Workspace to change it.", terminal=False)


def _fixed(workspace: Workspace) -> Iterator[tuple[str, Any]]:
    resource, inference, tuning = workspace.resource, workspace.inference, workspace.tuning
    yield "inference", inference is not None
    yield "resource.instanceType", resource.instance_type
    yield "resource.count", resource.count
    yield "resource.partition", resource.partition
    yield "resource.labelSelector", resource.label_selector
    if inference is not None:
        yield "inference.preset", inference.preset is not None
        if inference.preset is not None:
            yield from _preset("inference.preset", inference.preset)
    if tuning is not None:
        yield from _preset("tuning.preset", tuning.preset)
        yield "tuning.method", tuning.method
        yield "tuning.input.name", tuning.input.name


def _preset(path: str, preset: PresetSpec) -> Iterator[tuple[str, Any]]:
    yield f"{path}.name", preset.name
    yield f"{path}.presetOptions.image", preset.preset_options.image if preset.preset_options else None
