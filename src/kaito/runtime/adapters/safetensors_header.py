"""Reads what a safetensors file says of its tensors, and no tensor. Format: 8 bytes length, then JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LONGEST_HEADER = 100 * 2**20
"""Bytes; the format's own limit."""


@dataclass(frozen=True)
class TensorHeader:
    """One tensor's element type and shape."""

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> Mapping[str, TensorHeader]:
    """Return the tensors of a file by name. Raises ValueError when the file is cut short or is something else."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(LONGEST_HEADER, size - 8):
            raise ValueError("it is no safetensors file, or cut short")
        try:
            content = json.loads(file.read(length))
            tensors = {name: entry for name, entry in content.items() if name != "__metadata__"}
            end = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
            headers = {name: TensorHeader(entry["dtype"], tuple(entry["shape"])) for name, entry in tensors.items()}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise ValueError("its header is damaged") from None
    if 8 + length + end != size:
        raise ValueError(f"it is cut short: {size} bytes instead of {8 + length + end}")
    return headers
