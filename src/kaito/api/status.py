"""`status` of a Workspace: KAITO's own fields, and ours beside them. Only the Workspace controller writes it."""

from typing import Annotated

from pydantic import ConfigDict, Field

from kaito.api.fields import Name, Text
from kaito.api.meta import Condition, Model

Time = Annotated[str, Field(max_length=64)]
"""RFC 3339, UTC."""

Word = Annotated[str, Field(max_length=64)]


class StatusModel(Model):
    """A part of the status; its attribute docstrings become the descriptions that `kubectl explain` prints."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class TimelineEntry(StatusModel):
    """One phase of a start."""

    phase: Word
    """The phase, as in `status.phase`."""

    started_at: Time
    """When it began, with milliseconds."""

    seconds: float | None = None
    """How long it took; absent while it goes on."""


class MemoryPlan(StatusModel):
    """What the memory of each GPU is for."""

    weights: Word
    """Share of the model's weights, for example `7.6Gi`."""

    kv_cache: Word
    """What is left for the KV cache of running requests."""

    runtime: Word
    """CUDA context, activations and CUDA graphs."""

    total: Word
    """Memory of the GPU."""


class WorkspacePlan(StatusModel):
    """What the Workspace buys and how the model runs on it; decided before anything is bought."""

    preset: Word
    """Name of the preset."""

    weights: Text
    """Where the weights come from: a repository and its revision, a path, or `stand-in` with what that means."""

    sku: Word
    """Machine size of each node."""

    nodes: int
    """Number of nodes."""

    gpus_per_node: int
    """GPUs of each node."""

    layout: Word
    """How the model is spread: `TP2` is split over 2 GPUs, `DP2` is copied to 2 GPUs."""

    max_model_len: int
    """Longest sequence that is served, in tokens."""

    dtype: Word
    """Precision that is computed in."""

    memory: MemoryPlan
    """What the memory of each GPU is for."""

    notes: Annotated[tuple[Text, ...], Field(max_length=8)] = ()
    """What differs from the model's own settings, and why."""


class AdapterOfPod(StatusModel):
    """One adapter in one pod."""

    name: Name
    """Name of the pod."""

    state: Word
    """As the adapter's own."""

    reason: Word = ""
    """Why, in one word."""


class AdapterState(StatusModel):
    """One adapter, as the servers see it: the pod that is furthest behind, where there are several."""

    name: Name
    """The adapter's name, which is also its model name on the API."""

    state: Word
    """Pending, Pulling, Validating, Loading, Ready, Failed or Draining."""

    reason: Word = ""
    """Why, in one word."""

    message: Text = ""
    """Why, in a sentence."""

    source: Text = ""
    """Where it comes from: an image, a URL, a repository of the hub, or a volume."""

    strength: Word | None = None
    """Factor from 0 to 1 on its effect; absent: 1."""

    digest: Text | None = None
    """Content that is served: `sha256:…`."""

    size_bytes: int | None = None
    """Size of its files."""

    rank: int | None = None
    """Its LoRA rank."""

    seconds: float | None = None
    """How long it took from being wanted to being served."""

    pods: Annotated[tuple[AdapterOfPod, ...], Field(max_length=64)] = ()
    """What each pod says, where they differ."""


class LastFailure(StatusModel):
    """The last thing that went wrong; it stays until the Workspace is ready."""

    reason: Word
    """One word from the closed list of reasons."""

    message: Annotated[str, Field(max_length=4096)]
    """What happened, and in which object or field."""

    remedy: Text = ""
    """What to do about it."""

    terminal: bool
    """True when it is not tried again until the Workspace, or what it depends on, changes."""

    at: Time
    """When it was first seen."""


class WorkspaceStatus(StatusModel):
    """What is there, and what is being waited for."""

    observed_generation: int | None = None
    """Generation of the spec that this status was computed from."""

    phase: Word | None = None
    """Accepted, ClaimingNodes, WaitingForNodes, StartingModel, LoadingWeights, Warming, Ready, Failed or Deleting."""

    message: Annotated[str, Field(max_length=4096)] | None = None
    """What is being waited for, and why."""

    eta: Time | None = None
    """When the Workspace will be ready, as far as past starts tell; absent while there are too few of them."""

    endpoint: Text | None = None
    """Base URL of the OpenAI API inside the cluster, for example `http://phi-3.default.svc/v1`."""

    state: Word | None = None
    """KAITO's own word: Pending, Ready, NotReady, Running, Succeeded or Failed."""

    target_node_count: int | None = None
    """Number of nodes that the Workspace needs."""

    worker_nodes: Annotated[tuple[Name, ...], Field(max_length=256)] = ()
    """Names of its nodes, sorted."""

    plan: WorkspacePlan | None = None
    """What is bought and how the model runs on it."""

    timeline: Annotated[tuple[TimelineEntry, ...], Field(max_length=32)] = ()
    """The phases so far, oldest first."""

    adapters: Annotated[tuple[AdapterState, ...], Field(max_length=64)] = ()
    """The adapters, in the order of the spec; after them what else the servers have, as all of them together."""

    last_failure: LastFailure | None = None
    """The last thing that went wrong."""

    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """MachineReady, ResourceReady, InferenceReady, WorkspaceReady, WorkspaceSucceeded; WorkspaceDeleting at the end."""

    def condition(self, condition_type: str) -> Condition | None:
        """Return the condition of this type, or None."""
        return next((entry for entry in self.conditions if entry.type == condition_type), None)
