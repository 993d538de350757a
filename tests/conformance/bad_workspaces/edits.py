"""Edits that a Workspace does not take: what is bought, labelled, served or trained stays as it is."""

from typing import Final

from bad_workspaces.row import REMOVED, BadEdit

_LABELS = "resource.labelSelector.matchLabels"
_MIG = {"mode": "mig", "profile": "1g.10gb"}
_INFERENCE = {"preset": {"name": "phi-3-mini-4k-instruct"}}
_TUNING = {
    "preset": {"name": "phi-3-mini-4k-instruct"},
    "method": "lora",
    "input": {"urls": ["https://example.org/data.parquet"]},
    "output": {"image": "registry.example.org/tuned:1", "imagePushSecret": "push"},
}

EDITS: Final[dict[str, BadEdit]] = {
    row.case: row
    for row in (
        BadEdit(
            "another size",
            "inference",
            {"resource.instanceType": "Standard_NC48ads_A100_v4"},
            "resource.instanceType",
            "make a new Workspace",
        ),
        BadEdit(
            "the size in capitals",
            "inference",
            {"resource.instanceType": "STANDARD_NC24ADS_A100_V4"},
            "resource.instanceType",
            "immutable",
        ),
        BadEdit("more nodes", "inference", {"resource.count": 2}, "resource.count", "make a new Workspace"),
        BadEdit(
            "fewer nodes", "inference", {"resource.count": 1}, "resource.count", "immutable", {"resource.count": 2}
        ),
        BadEdit(
            "another label", "inference", {f"{_LABELS}.apps": "other"}, "resource.labelSelector", "make a new Workspace"
        ),
        BadEdit("one label more", "inference", {f"{_LABELS}.tier": "x"}, "resource.labelSelector", "immutable"),
        BadEdit(
            "one label less",
            "inference",
            {f"{_LABELS}.tier": REMOVED},
            "resource.labelSelector",
            "immutable",
            {f"{_LABELS}.tier": "x"},
        ),
        BadEdit(
            "the label as an expression",
            "inference",
            {"resource.labelSelector": {"matchExpressions": [{"key": "apps", "operator": "In", "values": ["good"]}]}},
            "resource.labelSelector",
            "immutable",
        ),
        BadEdit("a partition", "inference", {"resource.partition": _MIG}, "resource.partition", "make a new Workspace"),
        BadEdit(
            "no partition",
            "inference",
            {"resource.partition": REMOVED},
            "resource.partition",
            "immutable",
            {"resource.partition": _MIG},
        ),
        BadEdit(
            "another partition",
            "inference",
            {"resource.partition": {"mode": "accelerator", "count": 1}},
            "resource.partition",
            "immutable",
            {"resource.partition": _MIG},
        ),
        BadEdit(
            "another preset",
            "inference",
            {"inference.preset.name": "falcon-7b"},
            "inference.preset.name",
            "make a new Workspace",
        ),
        BadEdit(
            "the preset by its alias",
            "inference",
            {"inference.preset.name": "microsoft/Phi-3-mini-4k-instruct"},
            "inference.preset.name",
            "immutable",
        ),
        BadEdit(
            "another image of the preset",
            "inference",
            {"inference.preset.presetOptions": {"image": "model:2"}},
            "inference.preset.presetOptions.image",
            "immutable",
            {"inference.preset.presetOptions": {"image": "model:1"}},
        ),
        BadEdit(
            "an image of the preset",
            "inference",
            {"inference.preset.presetOptions": {"image": "model:2"}},
            "inference.preset.presetOptions.image",
            "immutable",
        ),
        BadEdit(
            "a template instead of the preset",
            "inference",
            {"inference": {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}},
            "inference.preset",
            "make a new Workspace",
        ),
        BadEdit(
            "a preset instead of the template", "template", {"inference": _INFERENCE}, "inference.preset", "immutable"
        ),
        BadEdit(
            "tuning instead of inference",
            "inference",
            {"inference": REMOVED, "tuning": _TUNING},
            "inference",
            "make a new one",
        ),
        BadEdit(
            "inference instead of tuning",
            "tuning",
            {"tuning": REMOVED, "inference": _INFERENCE},
            "inference",
            "make a new one",
        ),
        BadEdit("another method", "tuning", {"tuning.method": "lora"}, "tuning.method", "make a new Workspace"),
        BadEdit(
            "another preset to tune",
            "tuning",
            {"tuning.preset.name": "falcon-7b"},
            "tuning.preset.name",
            "make a new Workspace",
        ),
        BadEdit(
            "a name for the input", "tuning", {"tuning.input.name": "data"}, "tuning.input.name", "make a new Workspace"
        ),
        BadEdit(
            "no name for the input",
            "tuning",
            {"tuning.input.name": REMOVED},
            "tuning.input.name",
            "immutable",
            {"tuning.input.name": "data"},
        ),
        BadEdit(
            "another name for the input",
            "tuning",
            {"tuning.input.name": "more"},
            "tuning.input.name",
            "immutable",
            {"tuning.input.name": "data"},
        ),
    )
}
