"""The folder of a local cluster."""

import stat
from pathlib import Path

import pytest

from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory, default_directory


def test_a_prepared_folder_is_private_and_can_be_prepared_again(tmp_path: Path) -> None:
    paths = ClusterDirectory(tmp_path / "k")
    paths.prepare()
    paths.prepare()
    assert stat.S_IMODE(paths.root.stat().st_mode) == 0o700
    assert (paths.cloud / "instances").is_dir()


def test_a_folder_of_another_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    paths = ClusterDirectory(tmp_path / "k")
    paths.prepare()
    paths.format_file.write_text("0\n")
    with pytest.raises(KaitoError) as caught:
        paths.prepare()
    assert caught.value.reason == "StaleDirectory"
    assert "kaito down --purge" in caught.value.remedy


def test_a_folder_with_foreign_files_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(KaitoError, match="not made by kaito"):
        ClusterDirectory(tmp_path).prepare()


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAITO_DIR", str(tmp_path))
    assert default_directory() == tmp_path
    monkeypatch.delenv("KAITO_DIR")
    assert default_directory() == Path.home() / ".kaito"
