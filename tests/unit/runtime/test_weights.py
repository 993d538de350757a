import json
from pathlib import Path

import pytest

from kaito.contracts import STAND_IN_MARKER
from kaito.runtime.failure import FatalError
from kaito.runtime.weights import inspect_weights


def write_model(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 64, **config}))
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    return folder


def test_a_name_that_is_no_folder_is_an_id_of_the_hub() -> None:
    weights = inspect_weights("microsoft/Phi-3-mini-4k-instruct")
    assert (weights.kind, weights.total_bytes) == ("hub", 0)
    assert "from the Hugging Face hub" in weights.sentence()


def test_a_folder_is_measured(tmp_path: Path) -> None:
    weights = inspect_weights(str(write_model(tmp_path)))
    assert (weights.kind, weights.total_bytes, weights.config["hidden_size"]) == ("path", 100, 64)


def test_a_stand_in_says_so_everywhere(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / STAND_IN_MARKER).write_text(json.dumps({"preset": "phi-3", "digest": "sha256:1"}))
    weights = inspect_weights(str(tmp_path))
    assert (weights.kind, weights.preset) == ("stand-in", "phi-3")
    assert "STAND-IN for phi-3" in weights.sentence()
    assert weights.about()["kind"] == "stand-in"
    assert weights.status()["kind"] == "stand-in"


def test_a_stand_in_without_its_marker_is_known_by_its_config(tmp_path: Path) -> None:
    weights = inspect_weights(str(write_model(tmp_path, _kaito_stand_in=True, _kaito_preset="phi-3")))
    assert (weights.kind, weights.preset) == ("stand-in", "phi-3")


@pytest.mark.parametrize(
    ("make", "reason", "message"),
    [
        (lambda path: None, "ModelNotFound", "does not exist"),
        (lambda path: path.mkdir(), "ModelInvalid", "no config.json"),
        (lambda path: (path.mkdir(), (path / "config.json").write_text("{}")), "ModelInvalid", "holds no weights"),
        (lambda path: (path.mkdir(), (path / "config.json").write_text("{")), "ModelInvalid", "cannot be read"),
        (lambda path: (path.mkdir(), (path / "config.json").write_text("[]")), "ModelInvalid", "no JSON object"),
    ],
)
def test_a_folder_that_cannot_be_served_is_named_with_a_remedy(tmp_path: Path, make, reason: str, message: str) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "w")
    with pytest.raises(FatalError, match=message) as caught:
        inspect_weights(str(tmp_path / "w"))
    assert caught.value.reason == reason
    assert caught.value.remedy
