"""The few fields of Nodes, Pods and Deployments that we decide by, decoded straight from the cached JSON."""

from typing import Any

import msgspec

from kaito.core.objects import Metadata


class StatusCondition(msgspec.Struct, frozen=True, rename="camel"):
    """A condition of a Node, Pod or Deployment."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class NodeStatus(msgspec.Struct, frozen=True, rename="camel"):
    """`core/v1.NodeStatus`."""

    conditions: tuple[StatusCondition, ...] = ()
    allocatable: dict[str, Any] = {}


class Node(msgspec.Struct, frozen=True, rename="camel"):
    """`core/v1.Node`."""

    metadata: Metadata
    status: NodeStatus = NodeStatus()

    @property
    def ready(self) -> bool:
        """Whether its kubelet says so, and it is not going."""
        return self.metadata.deletion_timestamp is None and any(
            entry.type == "Ready" and entry.status == "True" for entry in self.status.conditions
        )

    @property
    def gpus(self) -> int:
        """GPUs that pods can ask for."""
        return int(self.status.allocatable.get("nvidia.com/gpu", 0))


class Waiting(msgspec.Struct, frozen=True, rename="camel"):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class ContainerState(msgspec.Struct, frozen=True, rename="camel"):
    """One of three; a running container has an object without fields that matter here."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None
    running: dict[str, Any] | None = None


class Container(msgspec.Struct, frozen=True, rename="camel"):
    """`core/v1.ContainerStatus`."""

    name: str
    image: str = ""
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """`core/v1.PodStatus`."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    conditions: tuple[StatusCondition, ...] = ()
    init_container_statuses: tuple[Container, ...] = ()
    container_statuses: tuple[Container, ...] = ()


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    """`core/v1.PodSpec`."""

    node_name: str = ""


class Pod(msgspec.Struct, frozen=True, rename="camel"):
    """`core/v1.Pod`."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def going(self) -> bool:
        """Whether it is being deleted."""
        return self.metadata.deletion_timestamp is not None

    @property
    def ready(self) -> bool:
        """Whether Services send it requests."""
        return any(entry.type == "Ready" and entry.status == "True" for entry in self.status.conditions)

    @property
    def serving(self) -> bool:
        """Whether its main container runs."""
        return any(container.state.running is not None for container in self.status.container_statuses)


class DeploymentSpec(msgspec.Struct, frozen=True, rename="camel"):
    """`apps/v1.DeploymentSpec`."""

    replicas: int = 1


class DeploymentStatus(msgspec.Struct, frozen=True, rename="camel"):
    """`apps/v1.DeploymentStatus`."""

    observed_generation: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[StatusCondition, ...] = ()


class Deployment(msgspec.Struct, frozen=True, rename="camel"):
    """`apps/v1.Deployment`."""

    metadata: Metadata
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()

    @property
    def available(self) -> bool:
        """Whether enough pods answer, of whatever revision."""
        return self.status.available_replicas >= self.spec.replicas > 0

    @property
    def rolled_out(self) -> bool:
        """Whether every pod is of the newest revision, as far as the Deployment's controller has come."""
        observed = self.status.observed_generation >= self.metadata.generation
        return observed and self.status.updated_replicas >= self.spec.replicas
