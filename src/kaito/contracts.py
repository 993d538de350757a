"""What the control plane and the GPU workload agree on: paths, ports, flags and HTTP shapes.

Both sides import this module and nothing of each other. It imports nothing of the project, so that either side can be
replaced. A change to a shape that an older peer cannot read raises `CONTRACT_VERSION`.
"""

from typing import Final, Literal, TypedDict

CONTRACT_VERSION: Final = 1
"""Version of the admin API's shapes; every answer carries it as `contractVersion`."""

# Ports of the inference pod. 5000 and 80 are KAITO's own; the admin port is ours.
SERVING_PORT: Final = 5000
ADMIN_PORT: Final = 5001
SERVICE_PORT: Final = 80
TORCH_PORT: Final = 29500

# Mount points inside the inference container, KAITO's own where KAITO has one.
WEIGHTS_PATH: Final = "/workspace/weights"
ADAPTERS_PATH: Final = "/mnt/adapter"
CONFIG_PATH: Final = "/mnt/config/inference_config.yaml"
ADMIN_TOKEN_PATH: Final = "/mnt/admin/token"  # noqa: S105 - a path, not a token

# Flags of `kaito-runtime serve` beside vLLM's own, and environment variables of the container.
ADAPTERS_FLAG: Final = "--kaito-adapters-dir"
CONFIG_FLAG: Final = "--kaito-config-file"
ADMIN_PORT_FLAG: Final = "--kaito-admin-port"
ADMIN_TOKEN_FLAG: Final = "--kaito-admin-token-file"  # noqa: S105 - a flag, not a token
WORKSPACE_NAME_FLAG: Final = "--kaito-workspace"
BIND_HOST_VARIABLE: Final = "KAITO_BIND_HOST"
"""Address that both ports are bound to; unset means all addresses."""

STAND_IN_MARKER: Final = "kaito-stand-in.json"
"""File in a weights directory that says these weights are a stand-in, with the preset and recipe that made them."""

STATUS_PATH: Final = "/v1/status"
"""`GET /v1/status[?after=N]` on the admin port: with `after`, the answer waits (up to 30 s) for a newer one."""

Stage = Literal["importing", "loading", "warming", "ready", "draining", "failed"]
"""Where a server is on its way; the order of the first four is the order of a start."""

WeightsKind = Literal["hub", "path", "stand-in"]


class WeightsStatus(TypedDict):
    """Which weights are served, and how far they are. Sizes in bytes; `totalBytes` is 0 while unknown."""

    kind: WeightsKind
    source: str
    loadedBytes: int
    totalBytes: int


class AdapterStatus(TypedDict):
    """One adapter as the server sees it."""

    name: str
    state: Literal["Pending", "Loading", "Ready", "Failed", "Draining"]
    reason: str
    message: str


class FailureStatus(TypedDict):
    """Why the server cannot serve: a reason from the closed list, what happened, and what to do."""

    reason: str
    message: str
    remedy: str


class RuntimeStatus(TypedDict):
    """The answer of `STATUS_PATH`. `sequence` grows by one with every change."""

    contractVersion: int
    sequence: int
    stage: Stage
    message: str
    model: str
    weights: WeightsStatus
    adapters: list[AdapterStatus]
    stageSeconds: dict[str, float]
    failure: FailureStatus | None


class ChatAnswer(TypedDict):
    """The answer of `POST /chat`; the key is KAITO's own."""

    Result: str
