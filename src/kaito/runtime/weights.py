"""Which weights a server is given: a hub id, a folder, or a stand-in; and how big they are. Imports nothing heavy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaito.contracts import STAND_IN_MARKER, WeightsKind, WeightsStatus
from kaito.runtime.failure import FatalError

_WEIGHT_FILES = ("*.safetensors", "*.bin", "*.pt", "*.gguf")


@dataclass(frozen=True)
class Weights:
    """What is served. Bytes are 0 while unknown (hub); `config` is the model's config.json; `digest` a stand-in's."""

    kind: WeightsKind
    source: str
    total_bytes: int = 0
    preset: str = ""
    digest: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    def status(self) -> WeightsStatus:
        """Return the admin port's shape at the start."""
        return WeightsStatus(kind=self.kind, source=self.source, loadedBytes=0, totalBytes=self.total_bytes)

    def about(self) -> dict[str, str]:
        """Return what `/v1/models` says of the weights."""
        facts = {"kind": self.kind, "source": self.source, "preset": self.preset, "digest": self.digest}
        if self.kind == "stand-in":
            facts["message"] = f"A tiny model made on the spot in place of {self.preset}. Its answers mean nothing."
        return {name: value for name, value in facts.items() if value}

    def sentence(self) -> str:
        """Say which weights these are, for the log."""
        if self.kind == "stand-in":
            return (
                f"serving a STAND-IN for {self.preset} from {self.source}: a tiny model of the same architecture "
                "without knowledge; `kaito up --weights hub` serves the real weights"
            )
        return f"serving the weights of {self.source}" + (" from the Hugging Face hub" if self.kind == "hub" else "")


def inspect_weights(model: str) -> Weights:
    """Look at what `--model` names. Raises ModelNotFound or ModelInvalid for a folder that vLLM could not load."""
    folder = Path(model)
    if not (folder.is_absolute() or model.startswith((".", "~")) or folder.is_dir()):
        return Weights("hub", model)
    folder = folder.expanduser()
    if not folder.is_dir():
        raise FatalError(
            "ModelNotFound",
            f"The folder of weights {model} does not exist.",
            remedy="Check the pod's weights volume and that the download or stand-in step before it has finished.",
        )
    config = _read_config(folder)
    total = sum(path.stat().st_size for pattern in _WEIGHT_FILES for path in folder.glob(pattern))
    if total == 0:
        raise FatalError(
            "ModelInvalid",
            f"The folder {model} holds no weights ({', '.join(_WEIGHT_FILES)}).",
            remedy="Fill it with the model's files, or let it be made: kaito-runtime stand-in --output.",
        )
    marker = folder / STAND_IN_MARKER
    if not (marker.is_file() or config.get("_kaito_stand_in")):
        return Weights("path", model, total_bytes=total, config=config)
    recipe = _read_json(marker) if marker.is_file() else {}
    preset = str(recipe.get("preset") or config.get("_kaito_preset") or "an unknown preset")
    return Weights("stand-in", model, total, preset=preset, digest=str(recipe.get("digest", "")), config=config)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise FatalError(
            "ModelInvalid",
            f"The folder {folder} has no config.json, so it holds no model.",
            remedy="Give --model the folder that the model's files are in.",
        )
    return _read_json(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FatalError(
            "ModelInvalid", f"{path} cannot be read: {error}.", remedy="Download or make the weights again."
        ) from None
    if not isinstance(content, dict):
        raise FatalError("ModelInvalid", f"{path} holds no JSON object.", remedy="Download or make the weights again.")
    return content
