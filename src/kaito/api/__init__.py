"""The objects of kaito: Workspace and Machine as pydantic models, and the CRDs that are generated from them."""

from kaito.api.data import AdapterSpec, DataDestination, DataSource
from kaito.api.machine import MACHINE, MACHINE_RESOURCE, Machine
from kaito.api.meta import Condition, ConditionStatus, Model, ObjectMeta
from kaito.api.resource import CustomResource, PrinterColumn
from kaito.api.selector import LabelSelector
from kaito.api.spec import (
    InferenceSpec,
    PresetOptions,
    PresetSpec,
    ResourceSpec,
    TuningSpec,
)
from kaito.api.status import (
    AdapterOfPod,
    AdapterState,
    LastFailure,
    MemoryPlan,
    TimelineEntry,
    WorkspacePlan,
    WorkspaceStatus,
)
from kaito.api.workspace import (
    WORKSPACE,
    WORKSPACE_FINALIZER,
    WORKSPACE_LABEL,
    WORKSPACE_NAMESPACE_LABEL,
    WORKSPACE_RESOURCE,
    WORKSPACE_V1ALPHA1,
    Workspace,
)

__all__ = [
    "MACHINE",
    "MACHINE_RESOURCE",
    "WORKSPACE",
    "WORKSPACE_FINALIZER",
    "WORKSPACE_LABEL",
    "WORKSPACE_NAMESPACE_LABEL",
    "WORKSPACE_RESOURCE",
    "WORKSPACE_V1ALPHA1",
    "AdapterOfPod",
    "AdapterSpec",
    "AdapterState",
    "Condition",
    "ConditionStatus",
    "CustomResource",
    "DataDestination",
    "DataSource",
    "InferenceSpec",
    "LabelSelector",
    "LastFailure",
    "Machine",
    "MemoryPlan",
    "Model",
    "ObjectMeta",
    "PresetOptions",
    "PresetSpec",
    "PrinterColumn",
    "ResourceSpec",
    "TimelineEntry",
    "TuningSpec",
    "Workspace",
    "WorkspacePlan",
    "WorkspaceStatus",
]
