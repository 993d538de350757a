"""Adapters and base models written by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from runtime.peft_files import HIDDEN, LAYER, LAYERS, AdapterFiles, safetensors, with_header


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
