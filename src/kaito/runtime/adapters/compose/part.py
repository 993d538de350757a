"""One of several adapters that are combined: its tensors by module, and how strongly each counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kaito.runtime.adapters.check import CONFIG_FILE, WEIGHTS_FILE
from kaito.runtime.adapters.check.files import open_plain
from kaito.runtime.adapters.check.lora_tensors import LoraPair, read_pairs
from kaito.runtime.adapters.check.peft_config import LONGEST_CONFIG, PeftConfig, parse_config
from kaito.runtime.adapters.check.safetensors_header import read_header
from kaito.runtime.adapters.failure import AdapterError


@dataclass(frozen=True)
class Part:
    """An adapter that was checked before. `pairs`: by module."""

    weights: Path
    config: PeftConfig
    pairs: Mapping[str, LoraPair]
    strength: float

    def factor(self, module: str) -> float:
        """Return what this adapter's `B @ A` is multiplied with in a module."""
        return self.config.scale_of(module) * self.strength


def read_part(folder: Path, strength: float) -> Part:
    """Read config and header of an adapter. Raises AdapterError when it is not one that passes the checks."""
    with open_plain(folder / CONFIG_FILE) as file:
        config = parse_config(file.read(LONGEST_CONFIG + 1))
    with open_plain(folder / WEIGHTS_FILE) as file:
        try:
            tensors = read_header(file)
        except ValueError as error:
            raise AdapterError("WeightsInvalid", f"{WEIGHTS_FILE} cannot be used: {error}.") from None
    return Part(folder / WEIGHTS_FILE, config, {pair.module: pair for pair in read_pairs(tensors)}, strength)
