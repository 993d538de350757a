"""Whatever is in the two files, the answer is a checked adapter or an AdapterError."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import ServedBase, check_adapter, read_base, scan_finite
from kaito.runtime.adapters.check.peft_config import parse_config

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    *("peft_type", "r", "lora_alpha", "target_modules", "bias", "task_type", "use_rslora", "rank_pattern"),
    *("alpha_pattern", "init_lora_weights", "base_model_name_or_path", "modules_to_save", "use_dora"),
]
MODULE = "base_model.model.model.layers.0.self_attn.qkv_proj"


@pytest.fixture
def base(base_folder: Path) -> ServedBase:
    return read_base(base_folder, ("phi-3-mini-4k-instruct",))


@pytest.fixture
def folder(adapter_files: Any, tmp_path: Path) -> Path:
    return adapter_files.write(tmp_path / "a")


@pytest.fixture
def good(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def check(folder: Path, base: ServedBase) -> None:
    with contextlib.suppress(AdapterError):
        check_adapter(folder, base)
    with contextlib.suppress(AdapterError):
        scan_finite(folder)


@quick
@given(changes=st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
@example(changes={"rank_pattern": {"(" * 200 + ")" * 200: 8}})
def test_any_config(folder: Path, adapter_files: Any, base: ServedBase, changes: dict[str, Any]) -> None:
    (folder / "adapter_config.json").write_text(json.dumps(adapter_files.config | changes))
    check(folder, base)


@quick
@given(text=st.binary(max_size=200))
def test_any_bytes_as_config(text: bytes) -> None:
    with contextlib.suppress(AdapterError):
        parse_config(text)


@quick
@given(content=st.binary(max_size=300))
def test_any_bytes_as_weights(folder: Path, base: ServedBase, content: bytes) -> None:
    (folder / "adapter_model.safetensors").write_bytes(content)
    check(folder, base)


@quick
@given(places=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_bytes_of_a_good_header_changed(
    folder: Path, good: bytes, base: ServedBase, places: list[tuple[int, int]]
) -> None:
    content = bytearray(good)
    for place, value in places:
        content[place] = value
    (folder / "adapter_model.safetensors").write_bytes(content)
    check(folder, base)


numbers = st.integers(-2, 2**70) | st.integers(0, 64) | values
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "F64", "NEW"]) | values,
        "shape": st.lists(numbers, max_size=3) | values,
        "data_offsets": st.lists(numbers, max_size=3) | values,
    }
)
names = st.sampled_from([f"{MODULE}.lora_A.weight", f"{MODULE}.lora_B.weight", "x.lora_embedding_A"]) | st.text()


@quick
@given(header=st.dictionaries(names, entries | values, max_size=4), data=st.binary(max_size=64))
def test_any_header(
    folder: Path,
    base: ServedBase,
    file_with_header: Callable[..., bytes],
    header: dict[str, Any],
    data: bytes,
) -> None:
    text = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(file_with_header(text, data))
    check(folder, base)
