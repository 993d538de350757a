"""What the control plane and the GPU workload agree on: paths, ports, flags and HTTP shapes.

Both sides import this module and nothing of each other. It imports nothing of the project, so that either side can be
replaced. A change to a shape that an older peer cannot read raises `CONTRACT_VERSION`.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NotRequired, Required, TypedDict

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
ADAPTER_SET_PATH: Final = "/mnt/adapter-set/adapters.json"
ADAPTER_CREDENTIALS_PATH: Final = "/mnt/adapter-credentials"
"""One file per pull secret, named `<secret>.json`, with the content of its `.dockerconfigjson`."""
ADAPTER_STORE_PATH: Final = "/var/lib/kaito/adapters"
ADAPTER_STORE_BYTES: Final = 24 * 2**30
"""What the store keeps at most. The volume under it is larger by what downloads take."""

# Flags of `kaito-runtime serve` beside vLLM's own, and environment variables of the container.
ADAPTERS_FLAG: Final = "--kaito-adapters-dir"
CONFIG_FLAG: Final = "--kaito-config-file"
ADAPTER_SET_FLAG: Final = "--kaito-adapter-set-file"
ADAPTER_CREDENTIALS_FLAG: Final = "--kaito-adapter-credentials-dir"
ADAPTER_STORE_FLAG: Final = "--kaito-adapter-store"
ADAPTER_PRIVATE_SOURCES_FLAG: Final = "--kaito-adapter-private-sources"
"""Without it no URL of an adapter may lead into a private network; images may be there all the same."""
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


ADAPTER_SET_ROUTE: Final = "/v1/adapters"
"""On the admin port. `GET`: the `AdapterSet` in force and each adapter's state. `PUT`: an `AdapterSet`, all that is
wanted; one of a lower generation than the one in force is answered 409. `PUT` and `DELETE` of `/v1/adapters/<name>`:
one adapter beside it."""

LORA_RANKS: Final = (8, 16, 32, 64, 128, 256, 320, 512)
"""Values of `--max-lora-rank` that vLLM takes and that an adapter can need."""

LARGEST_LORA_RANK: Final = LORA_RANKS[-1]
"""A higher rank cannot be served at all."""

STRENGTH: Final = "^(0|1|0?[.][0-9]+|1[.]0+)$"
"""An adapter's strength as text, in a pattern that RE2 and Rust's regex read as Python does."""

LONGEST_STRENGTH: Final = 32
"""Characters of it: every double that a program prints without an exponent has room."""

AdapterPhase = Literal["Pending", "Pulling", "Validating", "Loading", "Ready", "Failed", "Draining"]
"""Where an adapter is on its way. `Failed` with a reason that passes (`SourceUnreachable`) is tried again."""

AdapterReason = Literal[
    "SourceNotFound",
    "SourceUnauthorized",
    "SourceUnreachable",
    "SourceNotAllowed",
    "DigestMismatch",
    "ArchiveInvalid",
    "TooLarge",
    "DiskFull",
    "UnsafeFile",
    "ConfigMissing",
    "ConfigInvalid",
    "FeatureNotSupported",
    "WeightsMissing",
    "WeightsInvalid",
    "NotFinite",
    "BaseMismatch",
    "NotLoraCapable",
    "RankTooLarge",
    "RankAboveSlot",
    "NameTaken",
    "LoadFailed",
]
"""Why an adapter is not served. `RankAboveSlot`: it would be after a restart with a larger `--max-lora-rank`."""


class WantedAdapter(TypedDict, total=False):
    """One adapter that is to be served; exactly one of `image`, `urls`, `hub` and `path` says where it comes from."""

    name: Required[str]
    image: str
    imagePullSecrets: list[str]
    urls: list[str]
    hub: str
    """`owner/repository`, or `owner/repository@revision`."""
    path: str
    """A folder that the server can read."""
    digest: str
    """`sha256:…` of the adapter as the status shows it; another content is refused."""
    strength: str
    """Factor from 0 to 1 on its effect, as text in the form of `STRENGTH`; absent: 1."""
    aliases: list[str]


class AdapterSet(TypedDict):
    """All adapters that are wanted. `generation` grows with each change: a server keeps to the highest it was told."""

    contractVersion: int
    generation: int
    adapters: list[WantedAdapter]


def adapter_set_digest(adapter_set: Mapping[str, Any]) -> str:
    """Return what tells two sets apart, whatever their generation: `sha256:` of the adapters as sorted JSON."""
    content = json.dumps(adapter_set["adapters"], sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


class AdapterStatus(TypedDict):
    """One adapter as the server sees it; the Workspace's own name stands for all of them together.

    Absent fields are not known yet. `seconds` is how long it took from being wanted to being served. `pulledBytes` of
    `totalBytes` have come: in answers of `ADAPTER_SET_ROUTE` alone, while it is pulled.
    """

    name: str
    state: AdapterPhase
    reason: str
    message: str
    digest: NotRequired[str]
    sizeBytes: NotRequired[int]
    rank: NotRequired[int]
    strength: NotRequired[str]
    seconds: NotRequired[float]
    pulledBytes: NotRequired[int]
    totalBytes: NotRequired[int]


class AdapterSetInForce(TypedDict):
    """Which set the server works towards."""

    generation: int
    digest: str


class AdapterSetRefused(TypedDict):
    """The body of a 400 to `PUT /v1/adapters`: nothing of that set was taken.

    `adapter` and `reason` (an `AdapterReason`) are there where one adapter is at fault.
    """

    detail: str
    adapter: NotRequired[str]
    reason: NotRequired[str]


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
    adapterSet: NotRequired[AdapterSetInForce]
    stageSeconds: dict[str, float]
    failure: FailureStatus | None


class ChatAnswer(TypedDict):
    """The answer of `POST /chat`; the key is KAITO's own."""

    Result: str
