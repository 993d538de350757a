"""Adapters that vLLM's own route takes silently, or answers 500 and 404 to, and what they are refused with."""

import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

QKV = "base_model.model.model.layers.0.self_attn.qkv_proj"


def set_config(**changes: Any) -> Callable[[Any, Path], None]:
    def change(files: Any, folder: Path) -> None:
        files.config |= changes
        files.write(folder)

    return change


def drop_config(key: str) -> Callable[[Any, Path], None]:
    def change(files: Any, folder: Path) -> None:
        del files.config[key]
        files.write(folder)

    return change


def set_module(module: str, inputs: int = 64, outputs: int = 192, **options: Any) -> Callable[[Any, Path], None]:
    def change(files: Any, folder: Path) -> None:
        files.add(module, inputs, outputs, **options)
        files.write(folder)

    return change


def set_tensor(name: str, dtype: str, *shape: int) -> Callable[[Any, Path], None]:
    def change(files: Any, folder: Path) -> None:
        files.tensors[name] = (dtype, shape)
        files.write(folder)

    return change


def only_tensor(name: str, *shape: int) -> Callable[[Any, Path], None]:
    def change(files: Any, folder: Path) -> None:
        files.tensors = {name: ("F32", shape)}
        files.write(folder)

    return change


def drop_tensor(name: str) -> Callable[[Any, Path], None]:
    def change(files: Any, folder: Path) -> None:
        del files.tensors[name]
        files.write(folder)

    return change


def damage(change_file: Callable[[Path], Any]) -> Callable[[Any, Path], None]:
    def change(files: Any, folder: Path) -> None:
        change_file(files.write(folder))

    return change


def poison(value: float) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with (folder / "adapter_model.safetensors").open("r+b") as file:
            file.seek(-4, os.SEEK_END)
            file.write(struct.pack("<f", value))

    return write


def weights(folder: Path) -> Path:
    return folder / "adapter_model.safetensors"


def config(folder: Path) -> Path:
    return folder / "adapter_config.json"


BAD_ADAPTERS: dict[str, tuple[Callable[[Any, Path], None], str, str]] = {
    "another base model": (
        set_config(base_model_name_or_path="meta-llama/Llama-2-7b-hf"),
        "BaseMismatch",
        "trained on meta-llama/Llama-2-7b-hf; served is phi-3-mini-4k-instruct",
    ),
    "NaN weights": (damage(poison(math.nan)), "NotFinite", "model.layers.1.self_attn.o_proj.lora_B.weight"),
    "a layer beyond the model": (set_module("model.layers.7.self_attn.qkv_proj"), "BaseMismatch", "has 2 layers"),
    "r smaller than the tensors'": (set_config(r=4), "WeightsInvalid", "has rank 8; adapter_config.json says 4"),
    "no adapter_config.json": (damage(lambda folder: config(folder).unlink()), "ConfigMissing", "There is no"),
    "a truncated file": (
        damage(lambda folder: os.truncate(weights(folder), 3000)),
        "WeightsInvalid",
        "cut short: 3000 bytes instead of",
    ),
    "garbage": (damage(lambda folder: weights(folder).write_bytes(b"garbage" * 99)), "WeightsInvalid", "cut short"),
    "broken JSON": (damage(lambda folder: config(folder).write_text('{"r": 8,')), "ConfigInvalid", "no JSON"),
    "no weights": (damage(lambda folder: weights(folder).unlink()), "WeightsMissing", "no adapter_model.safetensors"),
    "no r": (drop_config("r"), "ConfigInvalid", "r is None"),
    "only an unknown tensor": (only_tensor("something.weight", 8, 64), "WeightsInvalid", "no name that a LoRA"),
    "an unknown module": (set_module("model.layers.0.self_attn.z_proj"), "BaseMismatch", "no module model.layers.0"),
    "no lora_B": (drop_tensor(f"{QKV}.lora_B.weight"), "WeightsInvalid", "has lora_A and no lora_B"),
    "bias=all": (set_config(bias="all"), "FeatureNotSupported", "bias 'all'"),
    "modules_to_save": (set_config(modules_to_save=["lm_head"]), "FeatureNotSupported", "modules_to_save"),
    "rank 64 tensors": (set_module("model.layers.0.mlp.down_proj", 128, 64, rank=64), "WeightsInvalid", "rank 64"),
    "another hidden size": (set_module("model.layers.0.self_attn.qkv_proj", 3072), "BaseMismatch", "width of 3072"),
}
