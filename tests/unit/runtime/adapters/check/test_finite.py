import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import finite, scan_finite

BAD = {
    "F32": [struct.pack("<f", value) for value in (math.nan, math.inf, -math.inf)] + [b"\x01\x00\x80\x7f"],
    "F16": [struct.pack("<e", value) for value in (math.nan, math.inf, -math.inf)] + [b"\x01\x7c"],
    "BF16": [struct.pack("<f", value)[2:] for value in (math.nan, math.inf, -math.inf)] + [b"\x81\x7f"],
}
LARGEST = {"F32": b"\xff\xff\x7f\x7f", "F16": b"\xff\x7b", "BF16": b"\x7f\x7f"}


@pytest.mark.parametrize("dtype", BAD)
@pytest.mark.parametrize("place", [0, 1023, 1024, 4095])
def test_one_number_in_any_place_is_found(
    dtype: str, place: int, tmp_path: Path, write_tensors: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finite, "_CHUNK", 1024 * len(LARGEST[dtype]))
    path = tmp_path / "adapter_model.safetensors"
    content = bytearray(write_tensors({"good": (dtype, (8, 8)), "m.lora_A.weight": (dtype, (64, 64))}))
    size = len(LARGEST[dtype])
    begin = len(content) - (4096 - place) * size
    for number in BAD[dtype]:
        content[begin : begin + size] = number
        path.write_bytes(content)
        with pytest.raises(AdapterError, match=r"m\.lora_A\.weight") as raised:
            scan_finite(tmp_path)
        assert raised.value.reason == "NotFinite"
    content[begin : begin + size] = LARGEST[dtype]
    path.write_bytes(content)
    scan_finite(tmp_path)


def test_a_damaged_file_is_told(tmp_path: Path, adapter_files: Any) -> None:
    with pytest.raises(AdapterError) as raised:
        scan_finite(tmp_path)
    assert raised.value.reason == "WeightsMissing"
    (tmp_path / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(AdapterError) as raised:
        scan_finite(tmp_path)
    assert raised.value.reason == "WeightsInvalid"
