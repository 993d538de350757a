from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import ServedBase, check_adapter, read_base

PREFIX = "base_model.model."
QKV = "model.layers.0.self_attn.qkv_proj"
EMBEDDING = "model.embed_tokens"


@pytest.fixture
def base(base_folder: Path) -> ServedBase:
    return read_base(base_folder)


def test_embeddings_have_tensors_of_their_own(adapter_files: Any, base: ServedBase, tmp_path: Path) -> None:
    adapter_files.tensors[f"{PREFIX}{EMBEDDING}.lora_embedding_A"] = ("F32", (8, 96))
    adapter_files.tensors[f"{PREFIX}{EMBEDDING}.lora_embedding_B"] = ("F32", (64, 8))
    adapter_files.add("lm_head", 64, 96)
    assert "embed_tokens" in check_adapter(adapter_files.write(tmp_path / "a"), base).modules


def test_names_may_lack_the_part_that_peft_puts_before_them(
    adapter_files: Any, base: ServedBase, tmp_path: Path
) -> None:
    adapter_files.tensors = {name.removeprefix(PREFIX): tensor for name, tensor in adapter_files.tensors.items()}
    check_adapter(adapter_files.write(tmp_path / "a"), base)


def test_the_base_s_own_embedding_beside_an_adapter_is_passed_over_if_it_has_its_size(
    adapter_files: Any, base: ServedBase, tmp_path: Path
) -> None:
    name = f"{PREFIX}{EMBEDDING}.base_layer.weight"
    adapter_files.tensors[name] = ("F32", (96, 64))
    check_adapter(adapter_files.write(tmp_path / "a"), base)
    adapter_files.tensors[name] = ("F32", (98, 64))
    with pytest.raises(AdapterError, match="its own vocabulary") as raised:
        check_adapter(adapter_files.write(tmp_path / "b"), base)
    assert raised.value.reason == "FeatureNotSupported"


F32 = "F32"


@pytest.mark.parametrize(
    ("tensors", "reason", "message"),
    [
        ({f"{QKV}.lora_A.weight": (F32, (8, 64))}, "WeightsInvalid", "lora_A twice"),
        ({f"{PREFIX}{PREFIX}{QKV}.lora_A.weight": (F32, (8, 64))}, "WeightsInvalid", "no name that a LoRA tensor"),
        ({f"{PREFIX}{QKV}.lora_A.default.weight": (F32, (8, 64))}, "WeightsInvalid", "no name that a LoRA tensor"),
        ({f"{PREFIX}{QKV}.lora_A.weight": ("F64", (8, 64))}, "WeightsInvalid", "is of F64"),
        ({f"{PREFIX}{QKV}.lora_A.weight": ("I8", (8, 64))}, "WeightsInvalid", "is of I8"),
        ({f"{PREFIX}{QKV}.lora_A.weight": (F32, (8,))}, "WeightsInvalid", "instead of two dimensions"),
        ({f"{PREFIX}{QKV}.lora_A.weight": (F32, (4, 64))}, "WeightsInvalid", "do not fit"),
        ({f"{PREFIX}{QKV}.lora_A.weight": (F32, (0, 64))}, "WeightsInvalid", "do not fit"),
        ({f"{PREFIX}{QKV}.lora_A.weight": (F32, (8, 32))}, "BaseMismatch", "width of 32; this model's is 64"),
        ({f"{PREFIX}{QKV}.lora_B.weight": (F32, (16, 8))}, "BaseMismatch", "width of 16; this model's is 192"),
        ({f"{PREFIX}{QKV}.lora_magnitude_vector": (F32, (8,))}, "FeatureNotSupported", "DoRA"),
        ({f"{PREFIX}lm_head.modules_to_save.weight": (F32, (8, 8))}, "FeatureNotSupported", "whole modules"),
        ({f"{PREFIX}{QKV}.lora_B.bias": (F32, (8,))}, "FeatureNotSupported", "biases"),
        ({f"{PREFIX}{EMBEDDING}.lora_embedding_A": (F32, (8, 96))}, "WeightsInvalid", "no lora_B"),
        (
            {f"{PREFIX}{QKV}.lora_embedding_A": (F32, (8, 64)), f"{PREFIX}{QKV}.lora_embedding_B": (F32, (192, 8))},
            "WeightsInvalid",
            "twice",
        ),
        (
            {
                f"{PREFIX}{EMBEDDING}.lora_A.weight": (F32, (8, 64)),
                f"{PREFIX}{EMBEDDING}.lora_B.weight": (F32, (96, 8)),
            },
            "NotLoraCapable",
            "is an embedding",
        ),
        (
            {
                f"{PREFIX}model.norm.lora_A.weight": (F32, (8, 64)),
                f"{PREFIX}model.norm.lora_B.weight": (F32, (64, 8)),
            },
            "BaseMismatch",
            "no module model.norm",
        ),
    ],
)
def test_a_tensor_that_does_not_belong_is_told(
    adapter_files: Any, base: ServedBase, tmp_path: Path, tensors: dict[str, Any], reason: str, message: str
) -> None:
    adapter_files.tensors |= tensors
    with pytest.raises(AdapterError) as raised:
        check_adapter(adapter_files.write(tmp_path / "a"), base)
    assert (raised.value.reason, message in raised.value.message) == (reason, True), raised.value.message
