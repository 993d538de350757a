"""Every reason that a Workspace's conditions, events and failures can carry, and what a user does about the bad ones.

A node claim's own reason (`QuotaExceeded`, …) and a server's own failure reason are passed on as they are.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The closed list."""

    # Things are as they should be.
    MACHINES_READY = "MachinesReady"
    NODES_READY = "NodesReady"
    MODEL_ANSWERS = "ModelAnswers"
    WORKSPACE_READY = "WorkspaceReady"
    WORKSPACE_SUCCEEDED = "WorkspaceSucceeded"

    # Waiting, nothing is wrong.
    CLAIMING_NODES = "ClaimingNodes"
    CLAIM_GOING = "ClaimGoing"
    NODE_LAUNCHING = "NodeLaunching"
    NODES_NOT_READY = "NodesNotReady"
    NODE_WITHOUT_GPU = "NodeWithoutGPU"
    WAITING_FOR_NODES = "WaitingForNodes"
    WORKLOAD_CREATED = "WorkloadCreated"
    POD_PENDING = "PodPending"
    PREPARING_WEIGHTS = "PreparingWeights"
    STARTING_SERVER = "StartingServer"
    LOADING_WEIGHTS = "LoadingWeights"
    WARMING = "Warming"
    ROLLING_OUT = "RollingOut"
    RELEASING_NODES = "ReleasingNodes"

    # What events tell of an adapter; why it failed is in the message, and in `status.adapters`.
    ADAPTER_READY = "AdapterReady"
    ADAPTER_FAILED = "AdapterFailed"

    # The Workspace itself has to change.
    PLACEHOLDERS_LEFT = "PlaceholdersLeft"
    UNKNOWN_PRESET = "UnknownPreset"
    UNKNOWN_SKU = "UnknownSKU"
    PRESET_DOES_NOT_FIT = "PresetDoesNotFit"
    MODEL_ACCESS_REQUIRED = "ModelAccessRequired"
    TUNING_NOT_SUPPORTED = "TuningNotSupported"
    TEMPLATE_NOT_SUPPORTED = "TemplateNotSupported"
    ADAPTERS_NOT_SUPPORTED = "AdaptersNotSupported"
    PARTITION_NOT_SUPPORTED = "PartitionNotSupported"
    SELECTOR_NOT_SUPPORTED = "SelectorNotSupported"
    INVALID_SPEC = "InvalidSpec"
    FIELD_IMMUTABLE = "FieldImmutable"
    MODEL_NAMES_CLASH = "ModelNamesClash"
    LABEL_RESERVED = "LabelReserved"
    SOURCE_NOT_ALLOWED = "SourceNotAllowed"
    INVALID_VOLUME = "InvalidVolume"

    # Good to know about a Workspace.
    FIELD_WITHOUT_EFFECT = "FieldWithoutEffect"
    SKU_RETIRED = "SKURetired"
    CONTEXT_SHORTENED = "ContextShortened"

    # Something else is in the way.
    NODE_NOT_READY = "NodeNotReady"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_START_FAILED = "ContainerStartFailed"
    CONTAINER_CRASHED = "ContainerCrashed"
    OUT_OF_MEMORY = "OutOfMemory"
    POD_EVICTED = "PodEvicted"
    NAME_TAKEN = "NameTaken"
    WRITE_REFUSED = "WriteRefused"


REMEDIES: dict[str, str] = {
    Reason.NODE_NOT_READY: "See `kubectl describe node` for why; the pod starts again when the node is back.",
    Reason.UNSCHEDULABLE: "See `kubectl describe pod` for what each node lacks.",
    Reason.IMAGE_PULL_FAILED: "Check the controller's --runtime-image and the node's access to its registry.",
    Reason.CONTAINER_START_FAILED: "See `kubectl describe pod` for the object that is missing or wrong.",
    Reason.CONTAINER_CRASHED: "See `kubectl logs --previous` of the pod for its last words.",
    Reason.OUT_OF_MEMORY: "The container needs more host memory than the node has; choose a larger instanceType.",
    Reason.POD_EVICTED: "Free the resource that the node ran out of; the pod is made again by itself.",
    Reason.WRITE_REFUSED: "Check the controller's permissions, and the admission rules of the cluster.",
}
"""What to do about a failure whose message does not end with that already."""
