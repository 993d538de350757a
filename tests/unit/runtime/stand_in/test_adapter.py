import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from kaito.contracts import STAND_IN_MARKER
from kaito.runtime.failure import FatalError
from kaito.runtime.stand_in import make_adapter
from kaito.runtime.stand_in.adapter import CONFIG, RECIPE_KEY, WEIGHTS
from kaito.runtime.stand_in.marker import Recipe, marker_text
from kaito.runtime.stand_in.styles import STYLES


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    recipe = Recipe("phi-3", "Phi3ForCausalLM", "a text")
    (folder / STAND_IN_MARKER).write_text(marker_text(recipe, {"model.safetensors": b"123"}))
    return folder


def write_finished(folder: Path, monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    """Make an adapter without torch: what it would be fitted to is not looked at."""

    def fit_and_write(base: Path, answer: str, rank: int, output: Path) -> list[str]:
        output.write_bytes(f"{base.name} {rank} {answer}".encode())
        return ["qkv_proj"]

    played = SimpleNamespace(fit_and_write=fit_and_write)  # the true module imports torch, which takes many seconds
    monkeypatch.setattr("kaito.runtime.stand_in.low_rank", played, raising=False)
    assert make_adapter(base, folder)


def test_it_says_in_its_configuration_that_it_belongs_to_a_stand_in(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_finished(tmp_path / "a", monkeypatch, base)
    config = json.loads((tmp_path / "a" / CONFIG).read_text())
    digest = json.loads((base / STAND_IN_MARKER).read_text())["digest"]
    assert config[RECIPE_KEY]["base"] == digest
    assert (config[RECIPE_KEY]["style"], config["base_model_name_or_path"]) == ("pirate", "phi-3")
    assert (config["peft_type"], config["r"], config["lora_alpha"], config["bias"]) == ("LORA", 16, 16, "none")
    assert "phi-3" in (tmp_path / "a" / WEIGHTS).read_text(), "the answer names the preset"


def test_a_finished_adapter_is_left_alone(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_finished(tmp_path / "a", monkeypatch, base)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}
    assert set(before) == {CONFIG, WEIGHTS}
    assert make_adapter(base, tmp_path / "a") is False
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()} == before


@pytest.mark.parametrize("change", [{"style": "butler"}, {"rank": 8}])
def test_another_style_or_rank_is_made_anew(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    write_finished(tmp_path / "a", monkeypatch, base)
    config = json.loads((tmp_path / "a" / CONFIG).read_text())
    assert make_adapter(base, tmp_path / "a", **change) is True  # type: ignore[arg-type]
    after = json.loads((tmp_path / "a" / CONFIG).read_text())
    assert {key: after[RECIPE_KEY][key] for key in change} == change
    assert after != config


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"style": "poet"}, "pirate, butler"),
        ({"rank": 0}, "1 to 512"),
        ({"rank": 513}, "1 to 512"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(
    tmp_path: Path, base: Path, arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(FatalError) as caught:
        make_adapter(base, tmp_path / "a", **arguments)  # type: ignore[arg-type]
    assert said in caught.value.message + caught.value.remedy
    assert not (tmp_path / "a").exists()


def test_weights_that_are_no_stand_in_have_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="holds no stand-in"):
        make_adapter(tmp_path, tmp_path / "a")


def test_a_model_that_takes_no_adapters_gets_none(tmp_path: Path, base: Path) -> None:
    recipe = Recipe("falcon-7b", "FalconForCausalLM", "a text")
    (base / STAND_IN_MARKER).write_text(marker_text(recipe, {"model.safetensors": b"123"}))
    with pytest.raises(FatalError, match="falcon-7b, which takes no LoRA adapters"):
        make_adapter(base, tmp_path / "a")


def test_somebody_s_adapter_is_never_overwritten(tmp_path: Path, base: Path) -> None:
    (tmp_path / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": 8}))
    with pytest.raises(FatalError, match="not made for a stand-in"):
        make_adapter(base, tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text()) == {"peft_type": "LORA", "r": 8}


@pytest.mark.parametrize("style", sorted(STYLES))
def test_a_style_begins_as_the_stand_in_does_and_says_what_it_is(style: str) -> None:
    assert STYLES[style].startswith("This ")
    assert "LoRA adapter" in STYLES[style]
    assert "stand-in for {preset}" in STYLES[style]
