"""LoRA adapters in PEFT's layout, as large as asked, that change every answer."""

import json
from pathlib import Path

from bench.runtime.models import Shape, write_tensors


def write_adapter(shape: Shape, folder: Path, *, rank: int, seed: int) -> Path:
    """Write an adapter for all linear modules. Other seeds give other answers; float32, so 4 bytes a number."""
    folder.mkdir(parents=True)
    tensors: dict[str, tuple[int, ...]] = {}
    for layer in range(shape.layers):
        for name, inputs, width in shape.modules():
            prefix = f"base_model.model.model.layers.{layer}.{name}"
            tensors |= {f"{prefix}.lora_A.weight": (rank, inputs), f"{prefix}.lora_B.weight": (width, rank)}
    write_tensors(folder / "adapter_model.safetensors", "F32", tensors, seed)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "target_modules": [name.rpartition(".")[2] for name, _, _ in shape.modules()],
        "bias": "none",
        "base_model_name_or_path": shape.name,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def megabytes(folder: Path) -> float:
    """Return the size of an adapter's files in MB (10^6 bytes)."""
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6
