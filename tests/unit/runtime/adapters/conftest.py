"""Adapters and base models written by hand, header by header."""

import json
import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

type_sizes = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I8": 1, "U8": 1, "F8_E4M3": 1}
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
        (folder / "adapter_model.safetensors").write_bytes(safetensors(self.tensors))
        return folder


def safetensors(tensors: Mapping[str, tuple[str, tuple[int, ...]]], seed: int = 7) -> bytes:
    """Return a safetensors file with random numbers near 0."""
    source = random.Random(seed)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = bytearray()
    for name, (dtype, shape) in tensors.items():
        count = 1
        for length in shape:
            count *= length
        begin = len(data)
        data += numbers(dtype, [source.gauss(0, 0.1) for _ in range(count)])
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
    return bytes(len(values) * type_sizes[dtype])


def with_header(header: bytes, data: bytes = b"") -> bytes:
    """Return a file with this header, whatever it says."""
    return struct.pack("<Q", len(header)) + header + data


@pytest.fixture
def adapter_files() -> AdapterFiles:
    return AdapterFiles()


@pytest.fixture
def make_adapter_files() -> Callable[[], AdapterFiles]:
    return AdapterFiles


@pytest.fixture
def write_tensors() -> Callable[..., bytes]:
    return safetensors


@pytest.fixture
def file_with_header() -> Callable[..., bytes]:
    return with_header


@pytest.fixture
def base_folder(tmp_path: Path) -> Path:
    """A folder of weights of a tiny Phi-3: fused projections, 2 layers, hidden 64."""
    folder = tmp_path / "base"
    folder.mkdir()
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {
        "model.embed_tokens.weight": ("F32", (96, HIDDEN)),
        "model.norm.weight": ("F32", (HIDDEN,)),
        "lm_head.weight": ("F32", (96, HIDDEN)),
    }
    for layer in range(LAYERS):
        tensors[LAYER.format(layer, "qkv_proj.weight")] = ("F32", (3 * HIDDEN, HIDDEN))
        tensors[LAYER.format(layer, "o_proj.weight")] = ("F32", (HIDDEN, HIDDEN))
        tensors[f"model.layers.{layer}.mlp.gate_up_proj.weight"] = ("F32", (256, HIDDEN))
        tensors[f"model.layers.{layer}.mlp.down_proj.weight"] = ("F32", (HIDDEN, 128))
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    config = {"model_type": "phi3", "architectures": ["Phi3ForCausalLM"], "hidden_size": HIDDEN}
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": LAYERS}))
    return folder
