"""Ending what is left, and nothing that is not ours."""

from pathlib import Path

import pytest

from kaito.core.errors import KaitoError
from kaito.local.directory import ClusterDirectory
from kaito.local.supervisor import shut_down


def test_a_folder_that_is_not_there_is_down_already(tmp_path: Path) -> None:
    assert shut_down(ClusterDirectory(tmp_path / "none"), purge=True) == []


def test_purge_deletes_our_folder(tmp_path: Path) -> None:
    paths = ClusterDirectory(tmp_path / "k")
    paths.prepare()
    shut_down(paths, purge=True)
    assert not paths.root.exists()


def test_purge_refuses_a_folder_that_kaito_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(KaitoError, match="not made by kaito"):
        shut_down(ClusterDirectory(tmp_path), purge=True)
    assert (tmp_path / "thesis.txt").exists()
