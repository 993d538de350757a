"""`karpenter.sh/v1alpha5` Machine: one claim on one node. Shape and keys are Karpenter's (core 0.29)."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from kaito.api.fields import LabelValue, Name, Quantities, Schemaless, Text
from kaito.api.meta import ConditionStatus, Model, ObjectMeta
from kaito.api.resource import CustomResource, PrinterColumn

TERMINATION_FINALIZER: Final = "karpenter.sh/termination"
"""On a Machine and on its Node: neither goes before the instance is gone."""

PROVISIONER_NAME_LABEL: Final = "karpenter.sh/provisioner-name"
REGISTERED_LABEL: Final = "karpenter.sh/registered"
INITIALIZED_LABEL: Final = "karpenter.sh/initialized"
CAPACITY_TYPE_LABEL: Final = "karpenter.sh/capacity-type"
INSTANCE_TYPE_LABEL: Final = "node.kubernetes.io/instance-type"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
MACHINE_TYPE_LABEL: Final = "kaito.sh/machine-type"

MANAGED_BY_ANNOTATION: Final = "karpenter.sh/managed-by"
LINKED_ANNOTATION: Final = "karpenter.sh/linked"
DO_NOT_EVICT_ANNOTATION: Final = "karpenter.sh/do-not-evict"

MachineConditionType = Literal["MachineLaunched", "MachineRegistered", "MachineInitialized", "Ready"]
LAUNCHED: Final = "MachineLaunched"
REGISTERED: Final = "MachineRegistered"
INITIALIZED: Final = "MachineInitialized"
READY: Final = "Ready"
"""True when the three others are."""

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Taint(Model):
    """`core/v1.Taint`."""

    key: Annotated[str, Field(max_length=317)]
    effect: Effect
    value: LabelValue | None = None
    time_added: Annotated[str, Field(max_length=64)] | None = None


class Requirement(Model):
    """`core/v1.NodeSelectorRequirement`: what the node has to be."""

    key: Annotated[str, Field(max_length=317)]
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: Annotated[tuple[LabelValue, ...], Field(max_length=100)] = ()


class ResourceRequirements(Model):
    """What the node must offer once it is initialized."""

    requests: Quantities = Field(default_factory=dict)


class MachineTemplateReference(Model):
    """The cloud's own template for the machine."""

    name: Name
    kind: Text | None = None
    api_version: Text | None = None


class MachineSpec(Model):
    """What is wanted."""

    taints: Annotated[tuple[Taint, ...], Field(max_length=64)] = ()
    startup_taints: Annotated[
        tuple[Taint, ...],
        Field(max_length=64, description="Taints that something else removes; the Machine waits for that."),
    ] = ()
    requirements: Annotated[tuple[Requirement, ...], Field(max_length=100)] = ()
    resources: ResourceRequirements = ResourceRequirements()
    kubelet: Annotated[
        Schemaless | None, Field(description="Kubelet configuration; kept, and passed on to clouds that can set it.")
    ] = None
    machine_template_ref: MachineTemplateReference | None = None


class MachineCondition(Model):
    """A condition in the knative form that v1alpha5 has."""

    type: Annotated[str, Field(max_length=316)]
    status: ConditionStatus
    severity: Annotated[str, Field(max_length=64)] | None = None
    reason: Annotated[str, Field(max_length=1024)] | None = None
    message: Annotated[str, Field(max_length=32768)] | None = None
    last_transition_time: Annotated[str, Field(max_length=64)] | None = None


class MachineStatus(Model):
    """What is there."""

    node_name: Name | None = None
    provider_id: Annotated[Text | None, Field(alias="providerID")] = None
    capacity: Quantities = Field(default_factory=dict)
    allocatable: Quantities = Field(default_factory=dict)
    conditions: Annotated[tuple[MachineCondition, ...], Field(max_length=32)] = ()


class Machine(Model):
    """One node: asked for in `spec`, described in `status`."""

    api_version: str = "karpenter.sh/v1alpha5"
    kind: str = "Machine"
    metadata: ObjectMeta = ObjectMeta()
    spec: MachineSpec = MachineSpec()
    status: MachineStatus = MachineStatus()

    def condition(self, condition_type: str) -> MachineCondition | None:
        """Return the condition of this type, or None before it was first written."""
        return next((entry for entry in self.status.conditions if entry.type == condition_type), None)

    def is_true(self, condition_type: str) -> bool:
        """Tell whether the condition of this type is there and True."""
        found = self.condition(condition_type)
        return found is not None and found.status == "True"

    def required(self, key: str) -> tuple[str, ...]:
        """Return the values that `In` requirements on a label key allow, in their order."""
        return tuple(value for entry in self.spec.requirements if _is_in(entry, key) for value in entry.values)

    def reference(self) -> dict[str, Any]:
        """Return what an Event names this Machine by."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": self.metadata.name, "uid": self.metadata.uid},
        }


def _is_in(requirement: Requirement, key: str) -> bool:
    return requirement.key == key and requirement.operator == "In"


MACHINE_RESOURCE: Final = CustomResource(
    group="karpenter.sh",
    version="v1alpha5",
    kind="Machine",
    plural="machines",
    model=Machine,
    namespaced=False,
    categories=("karpenter",),
    columns=(
        PrinterColumn("Type", r".metadata.labels.node\.kubernetes\.io/instance-type"),
        PrinterColumn("Zone", r".metadata.labels.topology\.kubernetes\.io/zone"),
        PrinterColumn("Node", ".status.nodeName"),
        PrinterColumn("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        PrinterColumn("Capacity", r".metadata.labels.karpenter\.sh/capacity-type", priority=1),
        PrinterColumn("Provisioner", r".metadata.labels.karpenter\.sh/provisioner-name", priority=1),
        PrinterColumn("Template", ".spec.machineTemplateRef.name", priority=1),
    ),
)

MACHINE: Final = MACHINE_RESOURCE.as_kind()
"""Kind of `karpenter.sh/v1alpha5` Machine; cluster-scoped."""
