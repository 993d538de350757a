import json
from pathlib import Path

import pytest

from kaito.contracts import STAND_IN_MARKER
from kaito.runtime.failure import FatalError
from kaito.runtime.stand_in import make_stand_in
from kaito.runtime.stand_in.architectures import ARCHITECTURES, CPU_HEAD_SIZES
from kaito.runtime.stand_in.lessons import packaged_text
from kaito.runtime.stand_in.marker import Recipe, finished, marker_text

RECIPE = Recipe.of("phi-3", "Phi3ForCausalLM", packaged_text())


def write_finished(folder: Path, recipe: Recipe = RECIPE) -> None:
    files = {"config.json": b"{}", "model.safetensors": b"12345"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / STAND_IN_MARKER).write_text(marker_text(recipe, files))


def test_a_finished_folder_is_left_alone_without_any_import_of_torch(tmp_path: Path) -> None:
    write_finished(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert make_stand_in("phi-3", "Phi3ForCausalLM", tmp_path) is False
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "other",
    [
        Recipe("phi-4", RECIPE.architecture, RECIPE.text_digest),
        Recipe(RECIPE.preset, "LlamaForCausalLM", RECIPE.text_digest),
        Recipe(RECIPE.preset, RECIPE.architecture, "another text"),
        Recipe(RECIPE.preset, RECIPE.architecture, RECIPE.text_digest, version=0),
    ],
)
def test_a_stand_in_of_another_recipe_is_not_finished(tmp_path: Path, other: Recipe) -> None:
    write_finished(tmp_path, other)
    assert finished(tmp_path, other)
    assert not finished(tmp_path, RECIPE)


@pytest.mark.parametrize("damage", ["remove", "cut", "marker", "list"])
def test_a_folder_that_is_not_whole_is_not_finished(tmp_path: Path, damage: str) -> None:
    write_finished(tmp_path)
    if damage == "remove":
        (tmp_path / "config.json").unlink()
    elif damage == "cut":
        (tmp_path / "model.safetensors").write_bytes(b"1")
    else:
        (tmp_path / STAND_IN_MARKER).write_text("{" if damage == "marker" else "[]")
    assert not finished(tmp_path, RECIPE)


def test_the_marker_s_digest_is_over_names_and_contents() -> None:
    def digest(files: dict[str, bytes]) -> str:
        return str(json.loads(marker_text(RECIPE, files))["digest"])

    assert digest({"a": b"1", "b": b"2"}) == digest({"b": b"2", "a": b"1"})
    assert len({digest({"a": b"12"}), digest({"a": b"1", "b": b"2"}), digest({"a": b"21"}), digest({"b": b"12"})}) == 4


def test_weights_that_are_no_stand_in_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Phi3ForCausalLM"]}')
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"real")
    with pytest.raises(FatalError, match="no stand-in"):
        make_stand_in("phi-3", "Phi3ForCausalLM", tmp_path)
    assert (tmp_path / "model-00001-of-00002.safetensors").read_bytes() == b"real"


def test_an_unknown_architecture_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="Phi3ForCausalLM") as caught:
        make_stand_in("x", "MadeUp", tmp_path)
    assert caught.value.reason == "UnknownArchitecture"


def test_a_text_that_cannot_be_read_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="line 1"):
        make_stand_in("x", "Phi3ForCausalLM", tmp_path / "w", text="nonsense")
    assert not (tmp_path / "w").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FatalError, match="cannot be written"):
        make_stand_in("x", "Phi3ForCausalLM", tmp_path / "file")


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_head_size_is_one_that_the_cpu_knows(name: str) -> None:
    architecture = ARCHITECTURES[name]
    assert architecture.head_size in CPU_HEAD_SIZES
    assert architecture.heads % architecture.key_value_heads == 0
    settings = architecture.settings(vocabulary=512, end_token=0, pad_token=0)
    assert settings["max_position_embeddings"] == 131072
