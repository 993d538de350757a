"""Stand-in weights: made once, whole or not at all, of the preset's own architecture."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from runtime.server import KAITO_RUNTIME, PRESET

from kaito.contracts import STAND_IN_MARKER


def make(output: Path, *, architecture: str = "Phi3ForCausalLM") -> subprocess.CompletedProcess[str]:
    command = [KAITO_RUNTIME, "stand-in", f"--preset={PRESET}", f"--architecture={architecture}", f"--output={output}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_a_stand_in_is_marked_in_its_config_and_by_its_marker(stand_in: Path) -> None:
    config = json.loads((stand_in / "config.json").read_text())
    marker = json.loads((stand_in / STAND_IN_MARKER).read_text())
    assert config["_kaito_stand_in"] is True
    assert config["architectures"] == ["Phi3ForCausalLM"]
    assert (marker["preset"], marker["kind"]) == (PRESET, "stand-in")
    assert marker["digest"].startswith("sha256:")


def test_a_finished_stand_in_is_found_at_once(stand_in: Path) -> None:
    make(stand_in)
    begun = time.monotonic()
    done = make(stand_in)
    assert (done.returncode, "is there already" in done.stderr) == (0, True)
    assert time.monotonic() - begun < 2  # 0.2 s on a quiet machine; importing torch alone takes longer than this


def test_an_unknown_architecture_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = make(tmp_path / "w", architecture="MadeUpForCausalLM")
    assert done.returncode == 1
    assert "UnknownArchitecture" in done.stderr
    assert "Phi3ForCausalLM" in done.stderr
    assert not (tmp_path / "w").exists()


def test_real_weights_are_never_overwritten(stand_in: Path, tmp_path: Path) -> None:
    shutil.copytree(stand_in, tmp_path / "w")
    (tmp_path / "w" / STAND_IN_MARKER).unlink()
    config = json.loads((tmp_path / "w" / "config.json").read_text())
    del config["_kaito_stand_in"]
    (tmp_path / "w" / "config.json").write_text(json.dumps(config))
    done = make(tmp_path / "w")
    assert done.returncode == 1
    assert "holds weights that are no stand-in" in done.stderr


@pytest.mark.parametrize("name", ["Phi3ForCausalLM", "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"])
def test_every_architecture_makes_a_model_that_computes(name: str) -> None:
    import torch
    import transformers

    from kaito.runtime.stand_in.architectures import CPU_HEAD_SIZES, find_architecture

    architecture = find_architecture(name)
    assert architecture.head_size in CPU_HEAD_SIZES
    settings = architecture.settings(vocabulary=512, end_token=0, pad_token=0)
    config = getattr(transformers, architecture.config_class)(**settings)
    model = getattr(transformers, architecture.model_class)(config)
    assert model(input_ids=torch.zeros(1, 3, dtype=torch.long)).logits.shape == (1, 3, 512)


def make_adapter(base: Path, output: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [KAITO_RUNTIME, "stand-in-adapter", f"--base={base}", f"--output={output}", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_an_adapter_for_a_stand_in_has_the_layout_of_peft_and_is_made_once(stand_in: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    done = make_adapter(stand_in, tmp_path / "a", "--style=pirate")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert config["target_modules"] == ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]
    with safe_open(tmp_path / "a" / "adapter_model.safetensors", "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dictionary
    assert len(shapes) == 2 * 2 * 4
    assert shapes["base_model.model.model.layers.1.self_attn.qkv_proj.lora_A.weight"] == (16, 64)
    assert shapes["base_model.model.model.layers.0.mlp.down_proj.lora_B.weight"] == (64, 16)
    assert "is there already" in make_adapter(stand_in, tmp_path / "a", "--style=pirate").stderr
