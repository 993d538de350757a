"""What a fetch is given and what it gives."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kaito.contracts import ADAPTER_CREDENTIALS_PATH, AdapterReason
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.sources.limits import Limits, Patience, Progress
from kaito.runtime.adapters.sources.unpacking import CONFIG, WEIGHTS


def _nobody(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Place:
    """Where files go, and how much is taken.

    `into`: an empty folder, on the same disk as `downloads`, which keeps what is unfinished, over restarts too.
    `credentials`: one `<secret>.json` per pull secret. `private_sources`: URLs may lead into private networks.
    `offline`: no hub is asked (what HF_HUB_OFFLINE said when the server started; later it only speaks to vLLM).
    """

    into: Path
    downloads: Path
    credentials: Path = Path(ADAPTER_CREDENTIALS_PATH)
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    progress: Progress = _nobody
    private_sources: bool = False
    offline: bool = False


@dataclass(frozen=True)
class Fetched:
    """The folder that has both files, and what the source calls this content.

    `origin_digest`: an image's `sha256:…` of its manifest, a hub's commit, empty for URLs and local folders.
    """

    folder: Path
    origin_digest: str = ""


def check_complete(found: Collection[str], beside: Sequence[str], where: str) -> None:
    """Raise AdapterError unless both files were found. `beside`: other names that were there instead."""
    for name in (CONFIG, WEIGHTS):
        if name in found:
            continue
        there = f" It has: {', '.join(sorted(beside)[:8])}." if beside else ""
        if name == WEIGHTS and any(other.endswith((".bin", ".pt")) for other in beside):
            there += " Other formats than safetensors can run code when they are read, and are not served."
        reason: AdapterReason = "ConfigMissing" if name == CONFIG else "WeightsMissing"
        raise AdapterError(reason, f"{where} has no {name}.{there}")
