import json
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.compose import parse_strength, strengthened
from kaito.runtime.adapters.store import AdapterStore, StoredAdapter


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "store", 10**9)


@pytest.fixture
def stored(store: AdapterStore, adapter_files: Any, tmp_path: Path) -> StoredAdapter:
    adapter_files.config["alpha_pattern"] = {"o_proj": 4}
    with store.staging() as folder:
        adapter_files.write(folder)
        return store.commit(folder)


def test_full_strength_is_the_same_entry(store: AdapterStore, stored: StoredAdapter) -> None:
    assert strengthened(stored, "1", store) is stored
    assert strengthened(stored, "1.0", store) is stored


@pytest.mark.parametrize(("strength", "alpha", "alpha_of_pattern"), [("0.5", 8.0, 2.0), ("0", 0.0, 0.0)])
def test_less_strength_is_less_alpha_and_the_weights_are_shared(
    store: AdapterStore, stored: StoredAdapter, strength: str, alpha: float, alpha_of_pattern: float
) -> None:
    weaker = strengthened(stored, strength, store)
    config = json.loads((weaker.path / "adapter_config.json").read_text())
    assert (config["lora_alpha"], config["alpha_pattern"]) == (alpha, {"o_proj": alpha_of_pattern})
    assert (weaker.path / "adapter_model.safetensors").samefile(stored.path / "adapter_model.safetensors")
    assert weaker.digest != stored.digest
    assert strengthened(stored, strength, store) == weaker


@pytest.mark.parametrize("strength", ["", "-0.1", "1.01", "nan", "inf", "half", "0x1"])
def test_a_strength_is_a_number_from_0_to_1(strength: str) -> None:
    with pytest.raises(AdapterError) as raised:
        parse_strength(strength)
    assert raised.value.reason == "ConfigInvalid"
