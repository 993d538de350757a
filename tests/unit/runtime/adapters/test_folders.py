"""What is in the adapter directory, however its disk behaves."""

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from kaito.runtime.adapters.folders import adapter_folders, to_follow


def names(root: Path, *before: str) -> list[str]:
    return [path.name for path in adapter_folders(root, [root / name for name in before])]


def test_an_entry_that_cannot_be_looked_at_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "unreadable").symlink_to("x" * 300)
    assert names(tmp_path) == ["a", "b"]
    assert names(tmp_path, "b", "loop", "unreadable") == ["a", "b", "unreadable"]


@pytest.mark.parametrize(("error", "still"), [(errno.EIO, ["a"]), (errno.ESTALE, ["a"]), (errno.ENOENT, [])])
def test_a_directory_that_cannot_be_read_is_as_it_was_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, still: list[str]
) -> None:
    def fail(path: Path) -> NoReturn:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("os.scandir", fail)
    assert names(tmp_path, "a") == still


def test_of_a_root_that_cannot_be_looked_at_the_folder_above_is_followed(tmp_path: Path) -> None:
    assert to_follow([tmp_path / ("x" * 300) / "adapters", None], [tmp_path / "a"]) == [tmp_path, tmp_path / "a"]
