import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import ServedBase, check_adapter, read_base


def test_modules_are_read_from_the_headers(base_folder: Path) -> None:
    base = read_base(base_folder, ("phi", ""))
    assert base.modules["model.layers.1.self_attn.qkv_proj"] == (192, 64)
    assert "model.norm" not in base.modules
    assert (base.layers, base.hidden, base.names, base.family) == (2, 64, ("phi",), ("phi3", "Phi3"))
    assert base.architecture == "Phi3ForCausalLM"


def test_an_architecture_that_vllm_may_not_serve_it_as_is_not_told(base_folder: Path) -> None:
    assert read_base(base_folder, as_written=False).architecture == ""
    for several in ([], ["A", "B"], "A", None, [1]):
        set_config(base_folder, architectures=several)
        assert read_base(base_folder).architecture == ""


def test_a_model_in_several_files_is_one(base_folder: Path, write_tensors: Callable[..., bytes]) -> None:
    more = {"model.layers.2.self_attn.qkv_proj.weight": ("F32", (192, 64))}
    (base_folder / "model-00002-of-00002.safetensors").write_bytes(write_tensors(more))
    assert read_base(base_folder).layers == 3


def test_tied_weights_give_the_head_the_shape_of_the_embedding(
    base_folder: Path, write_tensors: Callable[..., bytes]
) -> None:
    tensors = {"model.embed_tokens.weight": ("F32", (96, 64))}
    (base_folder / "model.safetensors").write_bytes(write_tensors(tensors))
    assert read_base(base_folder).modules["lm_head"] == (96, 64)


def set_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"cut"),
        lambda folder: set_config(folder, quantization_config={"quant_method": "gptq"}),
        lambda folder: set_config(folder, vision_config={}),
    ],
)
def test_without_modules_layers_and_width_are_compared(
    base_folder: Path, adapter_files: Any, tmp_path: Path, change: Callable[[Path], Any]
) -> None:
    change(base_folder)
    base = read_base(base_folder)
    assert (dict(base.modules), base.layers, base.hidden) == ({}, 2, 64)
    check_adapter(adapter_files.write(tmp_path / "a"), base)
    adapter_files.add("model.layers.0.self_attn.qkv_proj", 3072, 192)
    with pytest.raises(AdapterError, match="width of 3072"):
        check_adapter(adapter_files.write(tmp_path / "b"), base)
    adapter_files.add("model.layers.0.self_attn.qkv_proj", 64, 192)
    adapter_files.add("model.layers.0.self_attn.o_proj", 64, 3072)
    with pytest.raises(AdapterError, match="width of 3072"):
        check_adapter(adapter_files.write(tmp_path / "c"), base)
    adapter_files.add("model.layers.0.self_attn.o_proj", 64, 64)
    adapter_files.add("model.layers.2.self_attn.o_proj", 64, 64)
    with pytest.raises(AdapterError, match="2 layers"):
        check_adapter(adapter_files.write(tmp_path / "d"), base)


def test_nothing_known_is_nothing_compared(tmp_path: Path, adapter_files: Any) -> None:
    assert read_base(None) == read_base(tmp_path / "none") == ServedBase()
    (tmp_path / "config.json").write_text("[[")
    assert read_base(tmp_path) == ServedBase()
    check_adapter(adapter_files.write(tmp_path / "a"), ServedBase())


def test_a_model_of_several_parts_tells_its_inner_sizes(tmp_path: Path) -> None:
    inner = {"hidden_size": 32, "num_hidden_layers": 4}
    (tmp_path / "config.json").write_text(json.dumps({"text_config": inner, "architectures": [3], "model_type": None}))
    assert read_base(tmp_path) == ServedBase(layers=4, hidden=32)


def test_a_model_saved_without_the_first_part_of_its_names_is_recognised(
    tmp_path: Path, adapter_files: Any, write_tensors: Callable[..., bytes]
) -> None:
    tensors = {
        f"layers.{layer}.self_attn.{name}.weight": ("F32", (width, 64))
        for layer in range(2)
        for name, width in (("qkv_proj", 192), ("o_proj", 64))
    }
    (tmp_path / "model.safetensors").write_bytes(write_tensors(tensors))
    base = read_base(tmp_path)
    check_adapter(adapter_files.write(tmp_path / "a"), base)
    adapter_files.add("model.layers.0.self_attn.z_proj", 64, 64)
    with pytest.raises(AdapterError, match="no module"):
        check_adapter(adapter_files.write(tmp_path / "b"), base)
    assert read_base(None).shape_of("model.layers.0.self_attn.o_proj") is None


def test_an_adapter_without_the_first_part_of_the_names_would_change_nothing(
    base_folder: Path, adapter_files: Any, tmp_path: Path
) -> None:
    adapter_files.tensors = {name.replace(".model.layers", ".layers"): t for name, t in adapter_files.tensors.items()}
    with pytest.raises(AdapterError, match=r"no module layers\.0"):
        check_adapter(adapter_files.write(tmp_path / "a"), read_base(base_folder))
