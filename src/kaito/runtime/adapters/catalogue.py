"""Finds the LoRA adapters of a folder and checks each as far as its config and headers tell, before the engine sees it.

One bad adapter must not stop the server, and vLLM accepts some that are wrong: a config whose rank differs from its
tensors', tensors of another width, layers the model has not.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaito.contracts import AdapterStatus
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.safetensors_header import TensorHeader, read_header

_TENSOR = re.compile(r"(?:\.layers\.(?P<layer>\d+)\..*)?\.(?P<module>\w+)\.lora_(?P<side>[AB])(?:\.default)?\.weight$")
_HIDDEN_INPUTS = frozenset({"q_proj", "k_proj", "v_proj", "qkv_proj", "gate_proj", "up_proj", "gate_up_proj"})


@dataclass(frozen=True)
class Adapter:
    """An adapter that passed the checks."""

    name: str
    path: Path
    rank: int


@dataclass(frozen=True)
class Catalogue:
    """What a folder of adapters holds: those to be loaded, and the others with their reasons."""

    adapters: tuple[Adapter, ...] = ()
    refused: tuple[AdapterStatus, ...] = ()


def read_catalogue(folder: Path | None, model_config: Mapping[str, Any]) -> Catalogue:
    """Look at each sub-folder of `folder`, in order of name. Hidden ones and files are passed over.

    A folder that is missing is empty.

    `model_config` is the base model's config.json, empty where unknown.
    """
    if folder is None or not folder.is_dir():
        return Catalogue()
    adapters: list[Adapter] = []
    refused: list[AdapterStatus] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "lost+found" or not path.is_dir():
            continue
        try:
            adapters.append(check_adapter(path, model_config))
        except AdapterError as error:
            refused.append(failed(path.name, error))
    return Catalogue(tuple(adapters), tuple(refused))


def check_adapter(path: Path, model_config: Mapping[str, Any]) -> Adapter:
    """Check one adapter's folder. Raises AdapterError."""
    config = _read_config(path)
    rank = config.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise AdapterError("ConfigInvalid", f"adapter_config.json gives no rank: r is {rank!r}.")
    if str(config.get("peft_type", "LORA")).upper() != "LORA":
        raise AdapterError(
            "ConfigInvalid", f"adapter_config.json says peft_type {config['peft_type']!r}; only LORA is served."
        )
    weights = path / "adapter_model.safetensors"
    if not weights.is_file():
        raise AdapterError(
            "WeightsMissing", "There is no adapter_model.safetensors (other formats can run code when read)."
        )
    try:
        tensors = read_header(weights)
    except (OSError, ValueError) as error:
        raise AdapterError("WeightsInvalid", f"adapter_model.safetensors cannot be used: {error}.") from None
    largest = _check_tensors(tensors, rank, bool(config.get("rank_pattern")), model_config)
    return Adapter(path.name, path.resolve(), largest)


def failed(name: str, error: AdapterError) -> AdapterStatus:
    """Return the status of an adapter that is not served."""
    return AdapterStatus(name=name, state="Failed", reason=error.reason, message=str(error))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = json.loads((path / "adapter_config.json").read_bytes())
    except FileNotFoundError:
        raise AdapterError("ConfigMissing", f"The folder {path.name} has no adapter_config.json.") from None
    except (OSError, ValueError) as error:
        raise AdapterError("ConfigInvalid", f"adapter_config.json cannot be read: {error}.") from None
    if not isinstance(content, dict):
        raise AdapterError("ConfigInvalid", "adapter_config.json holds no JSON object.")
    return content


def _check_tensors(
    tensors: Mapping[str, TensorHeader], rank: int, ranks_vary: bool, model_config: Mapping[str, Any]
) -> int:
    """Return the largest rank among the tensors. Raises AdapterError."""
    largest = 0
    for name, tensor in tensors.items():
        match = _TENSOR.search(name)
        if not match or len(tensor.shape) != 2:
            continue
        found_rank = tensor.shape[0] if match["side"] == "A" else tensor.shape[1]
        if found_rank != rank and not ranks_vary:
            raise AdapterError(
                "WeightsInvalid", f"The tensor {name} has rank {found_rank}; adapter_config.json says r = {rank}."
            )
        _check_base(name, match, tensor, model_config)
        largest = max(largest, found_rank)
    if largest == 0:
        raise AdapterError("WeightsInvalid", "adapter_model.safetensors holds no LoRA tensor.")
    return largest


def _check_base(name: str, match: re.Match[str], tensor: TensorHeader, config: Mapping[str, Any]) -> None:
    layers, hidden = config.get("num_hidden_layers"), config.get("hidden_size")
    if match["layer"] and isinstance(layers, int) and int(match["layer"]) >= layers:
        raise AdapterError(
            "BaseMismatch", f"The tensor {name} is for layer {match['layer']}; the model has {layers} layers."
        )
    if (
        match["side"] == "A"
        and match["module"] in _HIDDEN_INPUTS
        and isinstance(hidden, int)
        and tensor.shape[1] != hidden
    ):
        raise AdapterError(
            "BaseMismatch", f"The tensor {name} is for a model of width {tensor.shape[1]}; this one's is {hidden}."
        )
