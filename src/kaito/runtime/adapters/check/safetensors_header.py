"""Reads what a safetensors file says of its tensors, and no tensor.

The format: 8 bytes with the header's length (little endian), the header as a JSON object, then the numbers. The rules
are those of the `safetensors` library: the tensors lie one after the other without gaps and fill the file.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from kaito.runtime.adapters.check.json_text import parse_object

LONGEST_HEADER = 32 * 2**20
"""Bytes. An adapter on every expert of the largest MoE models has 14 MB; the format allows 100 MB."""

ELEMENT_SIZES: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 8),
}
"""Bytes of one number, by the format's names of types."""


@dataclass(frozen=True)
class Tensor:
    """One tensor: type, shape, and where its numbers are, in bytes from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(file: BinaryIO) -> dict[str, Tensor]:
    """Return the tensors by name, in order of their place. Raises ValueError with half a sentence that says why not."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 10 or length < 2:
        raise ValueError("it is no safetensors file, or cut short")
    if length > size - 8:
        raise ValueError(f"it is no safetensors file, or cut short: its header would take {length} of {size} bytes")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header of {length} bytes is longer than {LONGEST_HEADER}")
    try:
        content = parse_object(file.read(length), repeated_names=False)
    except ValueError as error:
        raise ValueError(f"its header is damaged: {error}") from None
    content.pop("__metadata__", None)
    start = 8 + length
    tensors = {name: _tensor(name, entry, start) for name, entry in content.items()}
    ordered = sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end))
    _check_places(ordered, start, size)
    return dict(ordered)


def _tensor(name: str, entry: Any, start: int) -> Tensor:
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, begin, end]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"its header is damaged at the tensor {name!r:.200}") from None
    if not isinstance(dtype, str) or not isinstance(shape, list) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError(f"its header is damaged at the tensor {name!r:.200}")
    size = ELEMENT_SIZES.get(dtype)
    if size is not None and math.prod(shape) * size != end - begin:
        raise ValueError(f"the tensor {name!r:.200} of {dtype} {shape!r:.100} does not fit its {end - begin} bytes")
    return Tensor(dtype, tuple(shape), start + begin, start + end)


def _check_places(tensors: list[tuple[str, Tensor]], start: int, size: int) -> None:
    place = start
    for name, tensor in tensors:
        if tensor.begin != place or tensor.end < tensor.begin:
            raise ValueError(f"the tensor {name!r:.200} overlaps another one, or there is a gap before it")
        place = tensor.end
    if place > size:
        raise ValueError(f"it is cut short: {size} bytes instead of {place}")
    if place < size:
        raise ValueError(f"it has {size - place} bytes after the last tensor")
