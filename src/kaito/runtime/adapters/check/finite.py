"""Looks at every number of an adapter once: NaN or infinity in one would make the answers of its requests nonsense."""

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from kaito.runtime.adapters.check.files import WEIGHTS_FILE, open_plain
from kaito.runtime.adapters.check.safetensors_header import Tensor, read_header
from kaito.runtime.adapters.failure import AdapterError

_CHUNK = 4 * 2**20
# Type of an unsigned number of the same size, and the bits that are all set in NaN and in both infinities alone.
_EXPONENTS: Mapping[str, tuple[str, int]] = {
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}


def scan_finite(folder: Path) -> None:
    """Read all weights of an adapter, in pieces of 4 MiB. Raises AdapterError: NotFinite names the tensor."""
    with open_plain(folder / WEIGHTS_FILE) as file:
        try:
            for name, tensor in read_header(file).items():
                if tensor.dtype in _EXPONENTS and not _is_finite(file, tensor):
                    raise AdapterError(
                        "NotFinite", f"The tensor {name} holds NaN or infinity; the training went wrong or the file."
                    )
        except (OSError, ValueError) as error:
            raise AdapterError("WeightsInvalid", f"{WEIGHTS_FILE} cannot be used: {error}.") from None


def _is_finite(file: BinaryIO, tensor: Tensor) -> bool:
    import numpy as np

    kind, exponent = _EXPONENTS[tensor.dtype]
    file.seek(tensor.begin)
    left = tensor.end - tensor.begin
    while left:
        piece = file.read(min(_CHUNK, left))
        if not piece:
            raise ValueError("it was cut short while it was read")
        left -= len(piece)
        bits = np.frombuffer(piece, dtype=kind)
        if bool(((bits & exponent) == exponent).any()):
            return False
    return True
