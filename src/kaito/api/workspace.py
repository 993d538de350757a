"""`kaito.sh` Workspace: a model to serve or to tune, and the nodes for it."""

from dataclasses import replace
from typing import Any, Final

from pydantic import ConfigDict

from kaito.api.fields import Rule, rules
from kaito.api.formats import WORKSPACE_NAME
from kaito.api.meta import ObjectMeta, SpecModel
from kaito.api.resource import CustomResource, PrinterColumn
from kaito.api.spec import InferenceSpec, PresetSpec, ResourceSpec, TuningSpec
from kaito.api.status import WorkspaceStatus

WORKSPACE_FINALIZER: Final = "workspace.finalizer.kaito.sh"
WORKSPACE_LABEL: Final = "kaito.sh/workspace"
WORKSPACE_NAMESPACE_LABEL: Final = "kaito.sh/workspacenamespace"

HEADLESS: Final = "-headless"
NAME_LENGTH: Final = 63 - len(HEADLESS)
"""Longest name of a Workspace: that of its second Service has no more than a DNS label."""


class Workspace(SpecModel):
    """A model to serve or to tune, and the GPU nodes for it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.inference) != has(self.tuning)",
                "exactly one of inference and tuning must be set",
                ".inference",
            ),
            Rule(
                "has(self.inference) == has(oldSelf.inference)",
                "a Workspace stays one for inference or one for tuning; make a new one to change that",
                ".inference",
            ),
            Rule(
                f"size(self.metadata.name) <= {NAME_LENGTH} && self.metadata.name.matches('{WORKSPACE_NAME}')",
                f"must name Services: at most {NAME_LENGTH} characters of a-z, 0-9 and '-', starting with a letter",
                ".metadata.name",
            ),
            Rule(
                f"!self.metadata.name.endsWith('{HEADLESS}')",
                f"must not end with {HEADLESS}: the Service with all pods of another Workspace may be called so",
                ".metadata.name",
            ),
            Rule(
                "!has(self.inference) || !has(self.inference.preset) || "
                "self.inference.preset.name.lowerAscii() != self.metadata.name",
                "metadata.name and inference.preset.name must differ: both are model names on the API",
                ".metadata.name",
            ),
            Rule(
                "!has(self.inference) || !has(self.inference.adapters) || self.inference.adapters.all(a, "
                "!has(a.source.name) || (a.source.name != self.metadata.name && (!has(self.inference.preset) || "
                "a.source.name != self.inference.preset.name.lowerAscii())))",
                "an adapter must not be called as the Workspace or the preset: all are model names on the API",
                ".inference.adapters",
            ),
            Rule(
                "!has(self.tuning) || !has(self.resource.count) || self.resource.count == 1",
                "a tuning job runs on one node: count must be 1, or left out",
                ".resource.count",
            ),
            Rule(
                "!has(self.tuning) || !has(self.resource.partition)",
                "a tuning job takes whole nodes: remove the partition",
                ".resource.partition",
            ),
        )
    )

    metadata: ObjectMeta = ObjectMeta()
    resource: ResourceSpec
    """The nodes."""

    inference: InferenceSpec | None = None
    """The model to serve; this or `tuning`."""

    tuning: TuningSpec | None = None
    """The fine-tuning job; this or `inference`."""

    status: WorkspaceStatus = WorkspaceStatus()
    """What is there, and what is being waited for."""

    @property
    def preset(self) -> PresetSpec | None:
        """The preset that is served or tuned."""
        if self.tuning is not None:
            return self.tuning.preset
        return self.inference.preset if self.inference is not None else None

    def spec(self) -> dict[str, Any]:
        """Return the JSON of what the user asks for: `resource`, `inference` and `tuning`."""
        return self.model_dump(
            mode="json", by_alias=True, exclude_unset=True, include={"resource", "inference", "tuning"}
        )


def _condition(condition_type: str) -> str:
    return f'.status.conditions[?(@.type=="{condition_type}")].status'


WORKSPACE_RESOURCE: Final = CustomResource(
    group="kaito.sh",
    version="v1beta1",
    kind="Workspace",
    plural="workspaces",
    model=Workspace,
    short_names=("wk", "wks"),
    categories=("workspace", "kaito"),
    columns=(
        PrinterColumn("Instance", ".resource.instanceType", description="Machine size of each node"),
        PrinterColumn("ResourceReady", _condition("ResourceReady"), description="Whether the nodes are there"),
        PrinterColumn("InferenceReady", _condition("InferenceReady"), description="Whether the model answers"),
        PrinterColumn("WorkspaceReady", _condition("WorkspaceReady"), description="Whether all of it is ready"),
        PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        PrinterColumn("JobStarted", _condition("JobStarted"), priority=1),
        PrinterColumn("WorkspaceSucceeded", _condition("WorkspaceSucceeded"), priority=1),
        PrinterColumn("State", ".status.state", priority=1),
        PrinterColumn("Nodes", ".status.targetNodeCount", type="integer", priority=1),
        PrinterColumn("Phase", ".status.phase", priority=1, description="What it is at"),
        PrinterColumn("Eta", ".status.eta", priority=1, description="When it will be ready"),
        PrinterColumn("Message", ".status.message", priority=1, description="What it waits for, and why"),
    ),
)
"""`kaito.sh/v1beta1`, the version that is stored."""

WORKSPACE_V1ALPHA1: Final = replace(WORKSPACE_RESOURCE, version="v1alpha1", storage=False)
"""`kaito.sh/v1alpha1`, that of the KAITO page: the same fields, so nothing is lost between the two."""

WORKSPACE: Final = WORKSPACE_RESOURCE.as_kind()
"""Kind of `kaito.sh/v1beta1` Workspace; objects that were applied as v1alpha1 are read as this too."""
