import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import read_catalogue

BASE = {"hidden_size": 64, "num_hidden_layers": 2}
PREFIX = "base_model.model.model.layers"
SHAPES = {
    f"{PREFIX}.0.self_attn.qkv_proj.lora_A.weight": (8, 64),
    f"{PREFIX}.0.self_attn.qkv_proj.lora_B.weight": (192, 8),
}


def safetensors(shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def write_adapter(
    folder: Path, *, config: Mapping[str, Any] | None = None, shapes: Mapping[str, tuple[int, ...]] = SHAPES
) -> Path:
    folder.mkdir(parents=True)
    content = {"peft_type": "LORA", "r": 8, "lora_alpha": 8, **(config or {})}
    (folder / "adapter_config.json").write_text(json.dumps(content))
    (folder / "adapter_model.safetensors").write_bytes(safetensors(shapes))
    return folder


def test_good_adapters_are_listed_by_name_with_their_rank(tmp_path: Path) -> None:
    write_adapter(tmp_path / "b")
    write_adapter(tmp_path / "a")
    catalogue = read_catalogue(tmp_path, BASE)
    assert [(adapter.name, adapter.rank) for adapter in catalogue.adapters] == [("a", 8), ("b", 8)]
    assert catalogue.refused == ()


def test_a_missing_folder_is_empty_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / "file").write_text("")
    assert read_catalogue(tmp_path, BASE).refused == ()
    assert read_catalogue(tmp_path / "none", BASE).adapters == ()
    assert read_catalogue(None, BASE).adapters == ()


@pytest.mark.parametrize(
    ("config", "shapes", "reason", "message"),
    [
        ({"r": None}, SHAPES, "ConfigInvalid", "gives no rank"),
        ({"r": 0}, SHAPES, "ConfigInvalid", "gives no rank"),
        ({"peft_type": "IA3"}, SHAPES, "ConfigInvalid", "'IA3'"),
        ({"r": 4}, SHAPES, "WeightsInvalid", "has rank 8; adapter_config.json says r = 4"),
        ({}, {"lm_head.weight": (8, 64)}, "WeightsInvalid", "no LoRA tensor"),
        ({}, {f"{PREFIX}.7.self_attn.qkv_proj.lora_A.weight": (8, 64)}, "BaseMismatch", "layer 7; the model has 2"),
        (
            {},
            {f"{PREFIX}.0.self_attn.qkv_proj.lora_A.weight": (8, 3072)},
            "BaseMismatch",
            "width 3072; this one's is 64",
        ),
    ],
)
def test_a_bad_adapter_is_refused_with_its_reason(
    tmp_path: Path, config: dict[str, Any], shapes: dict[str, tuple[int, ...]], reason: str, message: str
) -> None:
    write_adapter(tmp_path / "bad", config=config, shapes=shapes)
    write_adapter(tmp_path / "good")
    catalogue = read_catalogue(tmp_path, BASE)
    [refused] = catalogue.refused
    assert (refused["name"], refused["state"], refused["reason"]) == ("bad", "Failed", reason)
    assert message in refused["message"]
    assert [adapter.name for adapter in catalogue.adapters] == ["good"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: (path / "adapter_config.json").unlink(), "ConfigMissing"),
        (lambda path: (path / "adapter_config.json").write_text("{"), "ConfigInvalid"),
        (lambda path: (path / "adapter_config.json").write_text("[]"), "ConfigInvalid"),
        (lambda path: (path / "adapter_model.safetensors").unlink(), "WeightsMissing"),
        (lambda path: (path / "adapter_model.safetensors").write_bytes(b""), "WeightsInvalid"),
        (lambda path: (path / "adapter_model.safetensors").write_bytes(b"garbage" * 9), "WeightsInvalid"),
        (lambda path: (path / "adapter_model.safetensors").write_bytes(safetensors(SHAPES)[:-4]), "WeightsInvalid"),
        (lambda path: (path / "adapter_model.safetensors").write_bytes(struct.pack("<Q", 2) + b"[]"), "WeightsInvalid"),
    ],
)
def test_damaged_files_are_refused_and_never_raise(tmp_path: Path, damage, reason: str) -> None:  # type: ignore[no-untyped-def]
    damage(write_adapter(tmp_path / "x"))
    [refused] = read_catalogue(tmp_path, BASE).refused
    assert refused["reason"] == reason


def test_without_the_base_s_config_its_width_is_not_checked(tmp_path: Path) -> None:
    write_adapter(tmp_path / "x", shapes={f"{PREFIX}.9.self_attn.qkv_proj.lora_A.weight": (8, 3072)})
    assert len(read_catalogue(tmp_path, {}).adapters) == 1


def test_an_adapter_with_a_rank_pattern_may_have_other_ranks(tmp_path: Path) -> None:
    write_adapter(tmp_path / "x", config={"r": 4, "rank_pattern": {"qkv_proj": 8}})
    [adapter] = read_catalogue(tmp_path, BASE).adapters
    assert adapter.rank == 8
