"""Credentials on disk."""

import base64
import json
import stat
from pathlib import Path

from kaito.local.supervisor.kubeconfig import make_token, write_kubeconfig


def test_the_kubeconfig_is_private_and_names_the_context(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(b"CA")
    (tmp_path / "token").write_text("abc\n")
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, "https://127.0.0.1:1", tmp_path / "ca", tmp_path / "token")
    document = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert document["current-context"] == "kaito"
    assert document["users"][0]["user"] == {"token": "abc"}
    assert base64.b64decode(document["clusters"][0]["cluster"]["certificate-authority-data"]) == b"CA"


def test_a_token_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "token"
    make_token(path)
    first = path.read_text()
    make_token(path)
    assert path.read_text() == first
    assert len(first) > 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
