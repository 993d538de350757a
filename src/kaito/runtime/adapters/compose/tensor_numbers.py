"""The numbers of a tensor in a safetensors file, a block of rows at a time, and the writing of such a file."""

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kaito.runtime.adapters.check.safetensors_header import ELEMENT_SIZES, Tensor

BLOCK = 4 * 2**20
"""Bytes of numbers that are in memory at a time, for each adapter."""


@dataclass(frozen=True)
class NewTensor:
    """A tensor to be written: name, type, shape, and its rows as little-endian numbers, block by block."""

    name: str
    dtype: str
    shape: tuple[int, int]
    blocks: Iterable[bytes]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.shape[0] * self.shape[1] * ELEMENT_SIZES[self.dtype]


def read_rows(file: BinaryIO, tensor: Tensor, begin: int, end: int) -> bytes:
    """Return rows `begin` to `end` of a tensor of two dimensions, as they are in the file. Raises OSError."""
    row = tensor.shape[1] * ELEMENT_SIZES[tensor.dtype]
    file.seek(tensor.begin + begin * row)
    content = file.read((end - begin) * row)
    if len(content) != (end - begin) * row:
        raise OSError("the file was cut short")
    return content


def as_float32(content: bytes, dtype: str, columns: int) -> Any:
    """Return rows of F32, F16 or BF16 numbers as a float32 array [rows, columns]; all three convert exactly."""
    import numpy as np

    if dtype == "BF16":  # the upper half of a float32
        numbers = (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4")
    else:
        numbers = np.frombuffer(content, {"F32": "<f4", "F16": "<f2"}[dtype]).astype("<f4")
    return numbers.reshape(-1, columns)


def row_blocks(rows: int, row_size: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of blocks of rows, of about `BLOCK` bytes."""
    step = max(1, BLOCK // max(1, row_size))
    for begin in range(0, rows, step):
        yield begin, min(rows, begin + step)


def write_safetensors(path: Path, tensors: Sequence[NewTensor]) -> None:
    """Write a file; the same tensors give the same bytes. Wider types come first, so that each is aligned."""
    ordered = sorted(tensors, key=lambda tensor: (-ELEMENT_SIZES[tensor.dtype], tensor.name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for tensor in ordered:
        end = place + tensor.size
        header[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("xb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in ordered:
            for block in tensor.blocks:
                file.write(block)
