"""What is known of the base model that adapters are for: its modules with their widths, and the names it goes by."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kaito.runtime.adapters.check.json_text import parse_object
from kaito.runtime.adapters.check.safetensors_header import Tensor, read_header

LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
"""Where a module's name has the number of its layer, in the families that vLLM serves."""

_WEIGHT_TYPES = frozenset({"F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
_LONGEST_CONFIG = 2**20


@dataclass(frozen=True)
class ServedBase:
    """The base model as far as its files tell.

    `modules`: shape [out, in] of each matrix by the name of its module; for an embedding [words, width]. Empty where
    the files do not tell: no weights, packed (quantised) ones, or several models in one whose modules vLLM renames.
    `layers` and `hidden` are then what is known, and 0 where that is not known either.
    `names`: what the model is called: preset, repository, folder. `family`: words of its architecture.
    `architecture`: what vLLM serves it as, empty where that is not certain.
    """

    modules: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    layers: int = 0
    hidden: int = 0
    names: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    architecture: str = ""

    def shape_of(self, module: str) -> tuple[int, int] | None:
        """Return the shape of a module by the name that an adapter has for it, None when there is no such module.

        Some models were saved without the first part of their names (`h.0…` for `transformer.h.0…`), and adapters for
        them have it.
        """
        return self.modules.get(module) or (self.modules.get(module.partition(".")[2]) if self._saved_bare else None)

    @cached_property
    def _saved_bare(self) -> bool:
        return any((found := LAYER.search(name)) and found.start() == 0 for name in self.modules)


def read_base(folder: Path | None, names: Iterable[str] = (), *, as_written: bool = True) -> ServedBase:
    """Read config.json and the headers of the safetensors files in `folder`; no weight is read. Never raises.

    `names`: the names that the model is served and known under; the folder's own name is not among them.
    `as_written`: vLLM was told nothing else than the architecture that config.json names.
    """
    config = _read_config(folder) if folder else {}
    modules = _read_modules(folder) if folder and _names_are_kept(config) else {}
    layers = 1 + max((int(found[1]) for name in modules if (found := LAYER.search(name))), default=-1)
    return ServedBase(
        modules,
        layers or _count(config, "num_hidden_layers", "n_layer"),
        _count(config, "hidden_size", "n_embd"),
        tuple(name for name in names if name),
        _family(config),
        _architecture(config) if as_written else "",
    )


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        with (folder / "config.json").open("rb") as file:
            return parse_object(file.read(_LONGEST_CONFIG))
    except (OSError, ValueError):
        return {}


def _names_are_kept(config: Mapping[str, Any]) -> bool:
    """Say whether the names and shapes in the files are those of the modules that an adapter is trained on."""
    quantisation = config.get("quantization_config")
    packed = isinstance(quantisation, dict) and quantisation.get("quant_method") != "fp8"
    return not packed and "text_config" not in config and "vision_config" not in config


def _read_modules(folder: Path) -> dict[str, tuple[int, int]]:
    modules: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                tensors = read_header(file)
        except (OSError, ValueError):
            return {}
        modules |= {name.removesuffix(".weight"): found for name, t in tensors.items() if (found := _matrix(name, t))}
    if "lm_head" not in modules:  # tied: the output matrix is the embedding
        tied = next((name for name in modules if name.endswith((".embed_tokens", ".word_embeddings"))), None)
        if tied:
            modules["lm_head"] = modules[tied]
    return modules


def _matrix(name: str, tensor: Tensor) -> tuple[int, int] | None:
    if not name.endswith(".weight") or len(tensor.shape) != 2 or tensor.dtype not in _WEIGHT_TYPES:
        return None
    return tensor.shape[0], tensor.shape[1]


def _count(config: Mapping[str, Any], *keys: str) -> int:
    inner = config.get("text_config")
    for source in (config, inner if isinstance(inner, dict) else {}):
        for key in keys:
            value = source.get(key)
            if type(value) is int and value > 0:
                return value
    return 0


def _architecture(config: Mapping[str, Any]) -> str:
    match config.get("architectures"):
        case [str(architecture)]:
            return architecture
    return ""


def _family(config: Mapping[str, Any]) -> tuple[str, ...]:
    architectures = config.get("architectures")
    words = [config.get("model_type"), *(architectures if isinstance(architectures, list) else [])]
    return tuple(word.removesuffix("ForCausalLM") for word in words if isinstance(word, str))
