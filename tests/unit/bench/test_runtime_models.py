"""The models and adapters that bench/runtime writes are what a server reads."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from bench.runtime.adapters import megabytes, write_adapter
from bench.runtime.models import LARGE, PHI_3, SMALL, TINY, Shape, write_model


def header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the tensors that a safetensors file declares, and the bytes that follow."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length)), path.stat().st_size - 8 - length


@pytest.mark.parametrize(
    ("shape", "millions"),
    [(TINY, 0.1232), (SMALL, 24.65), (LARGE, 8030.26), (PHI_3, 3821.08)],
    ids=lambda given: str(given),
)
def test_a_shape_has_the_parameters_that_its_name_says(shape: Shape, millions: float) -> None:
    assert shape.parameters / 1e6 == pytest.approx(millions, rel=0.001)


def test_a_model_of_zeros_declares_all_of_its_weights_and_takes_no_room(tmp_path: Path) -> None:
    weights = write_model(LARGE, tmp_path / "model") / "model.safetensors"
    tensors, size = header(weights)
    assert set(tensors) == set(LARGE.tensors())
    assert size == 2 * LARGE.parameters
    assert weights.stat().st_blocks * 512 < 2**20


def test_the_tokenizer_has_a_word_for_every_token_of_the_model(tmp_path: Path) -> None:
    folder = write_model(LARGE, tmp_path / "model")
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert sorted(words.values()) == list(range(LARGE.vocabulary))


def test_a_model_and_an_adapter_hold_the_numbers_they_declare_and_seeds_tell_adapters_apart(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    tensors, size = header(write_model(TINY, tmp_path / "model") / "model.safetensors")
    assert size == max(entry["data_offsets"][1] for entry in tensors.values()) == 4 * TINY.parameters
    one, two = (write_adapter(TINY, tmp_path / str(seed), rank=8, seed=seed) for seed in (1, 2))
    assert (one / "adapter_model.safetensors").read_bytes() != (two / "adapter_model.safetensors").read_bytes()
    assert json.loads((one / "adapter_config.json").read_text())["r"] == 8


def test_the_adapter_of_the_table_has_five_megabytes(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    assert megabytes(write_adapter(SMALL, tmp_path / "adapter", rank=16, seed=1)) == pytest.approx(5, abs=0.5)
