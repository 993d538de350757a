"""The folder of a control plane that lives as long as a command."""

from pathlib import Path

import pytest
from control_plane import folder_of


def test_the_folder_of_an_earlier_run_is_emptied(tmp_path: Path) -> None:
    with folder_of(tmp_path / "plane") as folder:
        (folder / "log").mkdir()
        (folder / "audit.log").write_text("old")
    with folder_of(tmp_path / "plane") as folder:
        assert [entry.name for entry in folder.iterdir()] == ["control-plane.lock"]


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit, match="--dir"), folder_of(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_two_control_planes_do_not_share_a_folder(tmp_path: Path) -> None:
    with folder_of(tmp_path), pytest.raises(SystemExit, match="another control plane"), folder_of(tmp_path):
        pass


def test_a_temporary_folder_is_gone_afterwards() -> None:
    with folder_of(None) as folder:
        (folder / "audit.log").touch()
    assert not folder.exists()
