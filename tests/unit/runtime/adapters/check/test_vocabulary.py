import ast
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import check_adapter, read_base
from kaito.runtime.adapters.check.vocabulary import WITHOUT_LORA

HEAD, EMBEDDING = "lm_head", "model.embed_tokens"


def add(adapter_files: Any, module: str) -> None:
    """Add LoRA on one of the two matrices, as PEFT saves it."""
    if module == HEAD:
        adapter_files.add(HEAD, 64, 96)
    else:
        name = f"base_model.model.{EMBEDDING}.lora_embedding"
        adapter_files.tensors |= {f"{name}_A": ("F32", (8, 96)), f"{name}_B": ("F32", (64, 8))}


def serve_as(base_folder: Path, architecture: str) -> None:
    config = base_folder / "config.json"
    config.write_text(config.read_text().replace("Phi3ForCausalLM", architecture))


@pytest.mark.parametrize("module", [HEAD, EMBEDDING])
@pytest.mark.parametrize("architecture", ["MistralForCausalLM", "Qwen2ForCausalLM"])
def test_a_matrix_that_vllm_has_no_lora_for_is_refused_with_what_to_do(
    base_folder: Path, adapter_files: Any, tmp_path: Path, module: str, architecture: str
) -> None:
    serve_as(base_folder, architecture)
    folder = adapter_files.write(tmp_path / "without")
    check_adapter(folder, read_base(base_folder))
    add(adapter_files, module)
    folder = adapter_files.write(tmp_path / "with")
    with pytest.raises(AdapterError) as caught:
        check_adapter(folder, read_base(base_folder))
    assert (caught.value.reason, caught.value.passes) == ("FeatureNotSupported", False)
    for said in (f"base_model.model.{module}.lora_", architecture, f"without {module.rpartition('.')[2]} in its"):
        assert said in caught.value.message
    check_adapter(folder, read_base(base_folder, as_written=False))


@pytest.mark.parametrize("module", [HEAD, EMBEDDING])
@pytest.mark.parametrize("architecture", ["Phi3ForCausalLM", "LlamaForCausalLM", "NewForCausalLM"])
def test_what_vllm_takes_or_may_take_is_left_to_it(
    base_folder: Path, adapter_files: Any, tmp_path: Path, module: str, architecture: str
) -> None:
    serve_as(base_folder, architecture)
    add(adapter_files, module)
    check_adapter(adapter_files.write(tmp_path / "a"), read_base(base_folder))


@pytest.mark.parametrize("architecture", sorted(WITHOUT_LORA))
def test_the_installed_vllm_names_no_embedding_modules_for_it(architecture: str) -> None:
    found = importlib.util.find_spec("vllm")
    if found is None or found.origin is None:
        pytest.skip("vLLM is not installed")
    models = Path(found.origin).parent / "model_executor" / "models"
    file, name = registered(models / "registry.py")[architecture]
    text = (models / f"{file}.py").read_text()
    [served] = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == name]
    named = [ast.unparse(node) for node in served.body if "embedding_modules" in ast.unparse(node)]
    if named:
        assert named == ["embedding_modules = {}"]
    else:
        bases = [ast.unparse(base) for base in served.bases]
        assert all(base == "nn.Module" or base.startswith("Supports") for base in bases)
    assert text.count("embedding_modules") == len(named)


def registered(registry: Path) -> dict[str, tuple[str, str]]:
    """Return file and class of each architecture in vLLM's registry."""
    for node in ast.parse(registry.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_TEXT_GENERATION_MODELS":
            table: dict[str, tuple[str, str]] = ast.literal_eval(node.value)
            return table
    raise AssertionError
