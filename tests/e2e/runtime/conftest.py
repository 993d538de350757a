"""Stand-in weights and LoRA adapters for a real vLLM on this machine's CPU. One server runs at a time."""

import json
import random
import struct
import subprocess
from pathlib import Path

import pytest
from runtime.server import KAITO_RUNTIME, PRESET


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished stand-in, made by the command as a pod's init container makes it."""
    folder = tmp_path_factory.mktemp("weights")  # exists and is empty, as a mount point is
    command = [KAITO_RUNTIME, "stand-in", f"--preset={PRESET}", "--architecture=Phi3ForCausalLM", f"--output={folder}"]
    subprocess.run(command, check=True, timeout=300)
    return folder


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of adapters: a good one, one cut short, one of a rank that is too large, and an empty folder."""
    folder = tmp_path_factory.mktemp("adapters")
    write_adapter(folder / "pirate")
    write_adapter(folder / "cut")
    with (folder / "cut" / "adapter_model.safetensors").open("r+b") as file:
        file.truncate(3000)
    write_adapter(folder / "wide", rank=32)
    (folder / "empty").mkdir()
    return folder


def write_adapter(folder: Path, *, hidden: int = 64, layers: int = 2, rank: int = 8) -> None:
    """Write a LoRA adapter in PEFT's layout by hand, with weights large enough to change every answer."""
    folder.mkdir(parents=True)
    source = random.Random(7)
    header: dict[str, object] = {}
    data = bytearray()
    for layer in range(layers):
        for module, width in (("qkv_proj", 3 * hidden), ("o_proj", hidden)):
            for side, shape in (("A", (rank, hidden)), ("B", (width, rank))):
                count = shape[0] * shape[1]
                begin = len(data)
                data += struct.pack(f"<{count}f", *(source.gauss(0, 0.5) for _ in range(count)))
                name = f"base_model.model.model.layers.{layer}.self_attn.{module}.lora_{side}.weight"
                header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": ["qkv_proj", "o_proj"]}
    config |= {"bias": "none", "task_type": "CAUSAL_LM", "base_model_name_or_path": PRESET}
    (folder / "adapter_config.json").write_text(json.dumps(config))
