import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import ServedBase, check_adapter, scan_finite
from kaito.runtime.adapters.compose import combined, strengthened
from kaito.runtime.adapters.compose.part import read_part
from kaito.runtime.adapters.compose.tensor_numbers import as_float32, read_rows
from kaito.runtime.adapters.store import AdapterStore, StoredAdapter

np = pytest.importorskip("numpy", reason="comes with vLLM")

WIDTHS = {"a_proj": (6, 5), "b_proj": (3, 9), "c_proj": (4, 4)}


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "store", 10**9)


def put(store: AdapterStore, files: Any) -> StoredAdapter:
    with store.staging() as folder:
        files.write(folder)
        return store.commit(folder)


def deltas(stored: StoredAdapter, strength: float = 1) -> dict[str, Any]:
    """Return scale * B @ A of each module, in float64."""
    part = read_part(stored.path, strength)
    found = {}
    with part.weights.open("rb") as file:
        for module, pair in part.pairs.items():
            a, b = (
                as_float32(read_rows(file, tensor, 0, tensor.shape[0]), tensor.dtype, tensor.shape[1]).astype("f8")
                for tensor in (pair.a, pair.b)
            )
            found[module] = part.factor(module) * (b @ a)
    return found


adapters = st.fixed_dictionaries(
    {
        "rank": st.integers(1, 5),
        "alpha": st.floats(0.5, 64),
        "rslora": st.booleans(),
        "dtype": st.sampled_from(["F32", "F16", "BF16"]),
        "modules": st.sets(st.sampled_from(sorted(WIDTHS)), min_size=1),
        "strength": st.sampled_from(["1", "0.5", "0", "0.125", "0.3"]),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(adapters, min_size=1, max_size=4))
def test_the_effect_of_the_combination_is_the_sum_of_the_effects(
    store: AdapterStore, make_adapter_files: Callable[[], Any], descriptions: list[dict[str, Any]]
) -> None:
    parts = []
    for description in descriptions:
        files = make_adapter_files()
        files.config |= {
            "r": description["rank"],
            "lora_alpha": description["alpha"],
            "use_rslora": description["rslora"],
        }
        files.tensors = {}
        for module in description["modules"]:
            files.add(f"model.layers.0.{module}", *WIDTHS[module], description["rank"], description["dtype"])
        parts.append((put(store, files), description["strength"]))
    result = combined(parts, store)
    found = deltas(result)
    expected = [deltas(stored, float(strength)) for stored, strength in parts]
    for module in {module for delta in expected for module in delta}:
        total = sum(delta[module] for delta in expected if module in delta)
        assert np.allclose(found.get(module, 0), total, rtol=1e-5, atol=1e-6)
    assert combined(parts, store) == result
    check_adapter(result.path, ServedBase())
    scan_finite(result.path)


def test_one_part_is_that_adapter_and_one_without_effect_is_left_out(store: AdapterStore, adapter_files: Any) -> None:
    first = put(store, adapter_files)
    adapter_files.config["lora_alpha"] = 3
    second = put(store, adapter_files)
    assert combined([(first, "1")], store) == first
    assert combined([(first, "1"), (second, "0")], store) == first
    assert combined([(first, "0"), (second, "0")], store) == strengthened(first, "0", store)


def test_the_ranks_add_up_and_the_scale_is_one(store: AdapterStore, make_adapter_files: Callable[[], Any]) -> None:
    small, large = make_adapter_files(), make_adapter_files()
    large.config |= {"r": 16, "target_modules": ["o_proj"]}
    large.tensors = {}
    large.add("model.layers.0.self_attn.o_proj", 64, 64, rank=16, dtype="BF16")
    result = combined([(put(store, small), "1"), (put(store, large), "0.5")], store)
    part = read_part(result.path, 1)
    assert (part.config.rank, part.config.alpha) == (24, 24)
    assert {pair.rank for pair in part.pairs.values()} == {24}
    assert check_adapter(result.path, ServedBase()).modules == ("o_proj", "qkv_proj")


def test_more_rank_than_vllm_takes_is_refused(store: AdapterStore, adapter_files: Any) -> None:
    adapter_files.config |= {"r": 300}
    adapter_files.tensors = {}
    adapter_files.add("model.layers.0.self_attn.o_proj", 4, 4, rank=300)
    stored = put(store, adapter_files)
    with pytest.raises(AdapterError) as raised:
        combined([(stored, "1"), (stored, "0.5")], store)
    assert raised.value.reason == "RankTooLarge"
    assert "add up to 600" in raised.value.message


def test_one_module_of_two_sizes_is_refused(store: AdapterStore, make_adapter_files: Callable[[], Any]) -> None:
    first, second = make_adapter_files(), make_adapter_files()
    second.add("model.layers.0.self_attn.o_proj", 32, 64)
    with pytest.raises(AdapterError, match="two sizes"):
        combined([(put(store, first), "1"), (put(store, second), "1")], store)


def test_torch_reads_the_same_numbers(store: AdapterStore, make_adapter_files: Callable[[], Any]) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    files = make_adapter_files()
    files.add("model.layers.0.self_attn.o_proj", 64, 64, dtype="F16")
    first = put(store, files)
    result = combined([(first, "1"), (put(store, make_adapter_files()), "1")], store)
    tensors = safetensors.load_file(result.path / "adapter_model.safetensors")
    name = "base_model.model.model.layers.0.self_attn.qkv_proj.lora_B.weight"
    assert tensors[name].shape == (192, 16)
    own = safetensors.load_file(first.path / "adapter_model.safetensors")[name]
    assert np.array_equal(tensors[name][:, :8], own * np.float32(2))
    assert math.isclose(float(tensors[name][:, 8:].sum()), float(own.sum()) * 2, rel_tol=1e-4)
