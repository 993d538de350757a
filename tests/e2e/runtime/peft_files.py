"""Adapters and base models written by hand, header by header; no PEFT and no torch is needed for it."""

import json
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TYPE_SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I8": 1, "U8": 1, "F8_E4M3": 1}
PREFIX = "base_model.model."
LAYER = "model.layers.{}.self_attn.{}"
HIDDEN, LAYERS = 64, 2


class AdapterFiles:
    """What goes into the two files of an adapter, or the one of a base; tests change it before it is written."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": 8,
            "lora_alpha": 16,
            "target_modules": ["qkv_proj", "o_proj"],
            "bias": "none",
            "base_model_name_or_path": "microsoft/Phi-3-mini-4k-instruct",
        }
        self.spread, self.seed = 0.1, 7
        self.tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
        for layer in range(LAYERS):
            self.add(LAYER.format(layer, "qkv_proj"), HIDDEN, 3 * HIDDEN)
            self.add(LAYER.format(layer, "o_proj"), HIDDEN, HIDDEN)

    def add(self, module: str, inputs: int, outputs: int, rank: int = 8, dtype: str = "F32") -> None:
        """Add both tensors of a module."""
        self.tensors[f"{PREFIX}{module}.lora_A.weight"] = (dtype, (rank, inputs))
        self.tensors[f"{PREFIX}{module}.lora_B.weight"] = (dtype, (outputs, rank))

    def write(self, folder: Path) -> Path:
        """Write both files; the numbers are random and finite."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps(self.config))
        (folder / "adapter_model.safetensors").write_bytes(safetensors(self.tensors, self.seed, self.spread))
        return folder


def safetensors(tensors: Mapping[str, tuple[str, tuple[int, ...]]], seed: int = 7, spread: float = 0.1) -> bytes:
    """Return a safetensors file with random numbers near 0."""
    source = random.Random(seed)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = bytearray()
    for name, (dtype, shape) in tensors.items():
        count = 1
        for length in shape:
            count *= length
        begin = len(data)
        data += numbers(dtype, [source.gauss(0, spread) for _ in range(count)])
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, len(data)]}
    return with_header(json.dumps(header).encode(), bytes(data))


def numbers(dtype: str, values: list[float]) -> bytes:
    """Return numbers as the format has them."""
    if dtype == "F32":
        return struct.pack(f"<{len(values)}f", *values)
    if dtype == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    if dtype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return bytes(len(values) * TYPE_SIZES[dtype])


def with_header(header: bytes, data: bytes = b"") -> bytes:
    """Return a file with this header, whatever it says."""
    return struct.pack("<Q", len(header)) + header + data
