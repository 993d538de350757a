"""The parts of a Node and a Pod that machines are about."""

from typing import Final

import msgspec

from kaito.core.objects import Kind, Metadata

UNREGISTERED_TAINT: Final = "karpenter.sh/unregistered"
DISRUPTED_TAINT: Final = "karpenter.sh/disrupted"
EXCLUDE_FROM_LOAD_BALANCERS_LABEL: Final = "node.kubernetes.io/exclude-from-external-load-balancers"


class Taint(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """`core/v1.Taint`."""

    key: str
    effect: str
    value: str = ""
    time_added: str | None = None

    def matches(self, other: "Taint") -> bool:
        """Tell whether both are the same taint: Kubernetes tells taints apart by key and effect."""
        return self.key == other.key and self.effect == other.effect


class NodeCondition(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`core/v1.NodeCondition`."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class NodeSpec(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`core/v1.NodeSpec`."""

    provider_id: str = msgspec.field(name="providerID", default="")
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`core/v1.NodeStatus`."""

    conditions: tuple[NodeCondition, ...] = ()
    capacity: dict[str, str | int | float] = {}
    allocatable: dict[str, str | int | float] = {}


class Node(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`core/v1.Node`."""

    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def ready(self) -> NodeCondition | None:
        """The Ready condition, once the kubelet has written it."""
        return next((one for one in self.status.conditions if one.type == "Ready"), None)

    @property
    def is_ready(self) -> bool:
        """Whether the kubelet says that pods can run here."""
        return self.ready is not None and self.ready.status == "True"

    @property
    def capacity(self) -> dict[str, str]:
        """What the node has, as quantities."""
        return {name: str(quantity) for name, quantity in self.status.capacity.items()}

    @property
    def allocatable(self) -> dict[str, str]:
        """What the node offers to pods, as quantities."""
        return {name: str(quantity) for name, quantity in self.status.allocatable.items()}

    def with_metadata(self, **changes: object) -> "Node":
        """Return the node with these fields of its metadata replaced."""
        return msgspec.structs.replace(self, metadata=msgspec.structs.replace(self.metadata, **changes))

    def with_spec(self, **changes: object) -> "Node":
        """Return the node with these fields of its spec replaced."""
        return msgspec.structs.replace(self, spec=msgspec.structs.replace(self.spec, **changes))


class Toleration(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`core/v1.Toleration`."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        """Tell whether a pod with this toleration may stay beside the taint (`k8s.io/api/core/v1` ToleratesTaint)."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator == "Exists" or (bool(self.key) and self.value == taint.value)


class PodSpec(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`core/v1.PodSpec`."""

    node_name: str = ""
    priority_class_name: str = ""
    tolerations: tuple[Toleration, ...] = ()
    termination_grace_period_seconds: int | None = None


class PodStatus(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`core/v1.PodStatus`."""

    phase: str = ""


class Pod(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """`core/v1.Pod`."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def __str__(self) -> str:
        return str(self.metadata.key)


NODE: Final = Kind("v1", "Node", Node, plural="nodes", namespaced=False)
POD: Final = Kind("v1", "Pod", Pod, plural="pods", namespaced=True)
