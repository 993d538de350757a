"""LoRA adapters in PEFT's layout, written by hand: every one changes every answer, and another seed another way."""

import json
import random
import struct
from pathlib import Path

from runtime.server import PRESET


def write_adapter(folder: Path, *, hidden: int = 64, layers: int = 2, rank: int = 8, seed: int = 7) -> None:
    """Write an adapter for the stand-in; the folder must not exist."""
    folder.mkdir(parents=True)
    source = random.Random(seed)
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
    text += b" " * (-len(text) % 8)
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": ["qkv_proj", "o_proj"]}
    config |= {"bias": "none", "task_type": "CAUSAL_LM", "base_model_name_or_path": PRESET}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def drop(folder: Path, adapter: Path) -> None:
    """Rename a finished adapter into place, replacing what was there, as a careful writer does."""
    if folder.exists():
        folder.rename(adapter.with_name(f"{adapter.name}.old"))
    adapter.rename(folder)
