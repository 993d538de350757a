"""What folders and the set's file tell before the server listens; nothing in them may hold it up."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters.first_look import ranks_found


def test_the_ranks_of_folders_are_read_and_those_of_the_set_are_not_known_yet(
    tmp_path: Path, adapter_files: Any
) -> None:
    adapter_files.write(tmp_path / "adapters" / "a")
    wanted = [{"name": "b", "image": "registry.example/b:1"}]
    (tmp_path / "set.json").write_text(json.dumps({"contractVersion": 1, "generation": 1, "adapters": wanted}))
    assert ranks_found(tmp_path / "adapters", tmp_path / "set.json") == (8, 0)
    assert ranks_found(tmp_path / "none", tmp_path / "none.json") == ()


def test_a_config_behind_a_link_of_a_volume_is_read(tmp_path: Path, adapter_files: Any) -> None:
    folder = tmp_path / "a"
    adapter_files.write(folder / "..1")
    (folder / "..data").symlink_to("..1")
    (folder / "adapter_config.json").symlink_to("..data/adapter_config.json")
    assert ranks_found(tmp_path, None) == (8,)


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "loop", "link out", "folder", "empty"])
def test_what_is_no_plain_file_is_passed_over_at_once(tmp_path: Path, kind: str, adapter_files: Any) -> None:
    adapter_files.write(tmp_path / "elsewhere")
    config = tmp_path / "adapters" / "a" / "adapter_config.json"
    config.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(config)
    elif kind == "link to a pipe":
        os.mkfifo(config.parent / "pipe")
        config.symlink_to("pipe")
    elif kind == "loop":
        config.symlink_to(config.name)
    elif kind == "link out":
        config.symlink_to(tmp_path / "elsewhere" / config.name)
    elif kind == "folder":
        config.mkdir()
    else:
        config.touch()
    assert ranks_found(tmp_path / "adapters", None) == (0,)
