"""What the demo types."""

import shlex
from pathlib import Path

import pytest

from kaito.cli.demo.prerequisites import find_manifest
from kaito.cli.demo.questions import chat_command
from kaito.core.errors import KaitoError


def test_the_command_is_the_pages() -> None:
    assert shlex.join(chat_command("127.96.0.9", "YOUR QUESTION HERE")) == (
        "curl -X POST http://127.96.0.9/chat -H 'accept: application/json' "
        "-H 'Content-Type: application/json' -d '{\"prompt\":\"YOUR QUESTION HERE\"}'"
    )


def test_the_pages_manifest_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_manifest(None).name == "kaito_workspace_phi_3.yaml"
    with pytest.raises(KaitoError, match="no file"):
        find_manifest(tmp_path / "none.yaml")
