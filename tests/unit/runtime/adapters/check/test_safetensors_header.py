import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters.check.safetensors_header import read_header

ONE = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


def read(tmp_path: Path, content: bytes) -> Any:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file:
        return read_header(file)


def test_tensors_come_in_order_of_their_place(tmp_path: Path, file_with_header: Callable[..., bytes]) -> None:
    header = {"__metadata__": {"format": "pt"}, "b": {**ONE, "data_offsets": [16, 32]}, "a": ONE}
    found = read(tmp_path, file_with_header(json.dumps(header).encode() + b"   ", bytes(32)))
    assert list(found) == ["a", "b"]
    assert found["b"].end - found["b"].begin == 16
    assert found["a"].shape == (2, 2)


def text(**tensors: Any) -> bytes:
    return json.dumps(tensors).encode()


@pytest.mark.parametrize(
    ("header", "size", "message"),
    [
        (b"{]", 16, "no JSON"),
        (b"[]", 0, "no JSON object"),
        (b"\xff\xff{}", 0, "not UTF-8"),
        (b'{"a":NaN}', 0, "NaN"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", 0, "nested too deeply"),
        (b'{"a":[' + b"," * 2_000_001 + b"]}", 0, "too many parts"),
        (b'{"a":' + b"9" * 5000 + b"}", 0, "damaged"),
        (b'{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{}}', 4, "names 'a' twice"),
        (b'{"a":{"dtype":"F32","dtype":"F16","shape":[],"data_offsets":[0,4]}}', 4, "names 'dtype' twice"),
        (text(a=[]), 0, "damaged at the tensor 'a'"),
        (text(a={"dtype": "F32"}), 0, "damaged at the tensor 'a'"),
        (text(a={**ONE, "shape": "22"}), 16, "damaged at the tensor 'a'"),
        (text(a={**ONE, "shape": [2, True]}), 16, "damaged at the tensor 'a'"),
        (text(a={**ONE, "shape": [-2, -2]}), 16, "damaged at the tensor 'a'"),
        (text(a={**ONE, "shape": [2.0, 2]}), 16, "damaged at the tensor 'a'"),
        (text(a={**ONE, "dtype": 4}), 16, "damaged at the tensor 'a'"),
        (text(a={**ONE, "data_offsets": [0, 16, 32]}), 16, "damaged at the tensor 'a'"),
        (text(a={**ONE, "data_offsets": [0, -1]}), 16, "damaged at the tensor 'a'"),
        (text(a={**ONE, "shape": [2, 3]}), 16, "does not fit its 16 bytes"),
        (text(a={**ONE, "shape": [2**62, 2**62]}), 16, "does not fit its 16 bytes"),
        (text(a={**ONE, "data_offsets": [16, 0], "dtype": "NEW"}), 16, "overlaps"),
        (text(a=ONE, b={**ONE, "data_offsets": [8, 24]}), 32, "overlaps"),
        (text(a=ONE, b=ONE), 16, "overlaps"),
        (text(a={**ONE, "data_offsets": [4, 20]}), 20, "gap"),
        (text(a=ONE), 15, "cut short"),
        (text(a=ONE), 17, "1 bytes after the last tensor"),
        (text(a={**ONE, "data_offsets": [2**63, 2**63 + 16]}), 16, "gap"),
    ],
)
def test_a_header_that_is_damaged_is_told(
    tmp_path: Path, file_with_header: Callable[..., bytes], header: bytes, size: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, file_with_header(header, bytes(size)))


@pytest.mark.parametrize("content", [b"", b"1234567", struct.pack("<Q", 2), struct.pack("<Q", 0) + b"{}", b"\xff" * 99])
def test_a_file_that_is_no_safetensors_file_is_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="no safetensors file, or cut short"):
        read(tmp_path, content)


def test_a_header_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**31))
        file.truncate(2**32)
    with path.open("rb") as file, pytest.raises(ValueError, match="is longer than"):
        read_header(file)


def test_one_name_twice_among_many_is_found_at_once(tmp_path: Path, file_with_header: Callable[..., bytes]) -> None:
    header = "{" + ",".join(f'"{number}":0' for number in [*range(20_000), 19_999]) + "}"
    began = time.process_time()
    with pytest.raises(ValueError, match="names '19999' twice"):
        read(tmp_path, file_with_header(header.encode()))
    assert time.process_time() - began < 2
