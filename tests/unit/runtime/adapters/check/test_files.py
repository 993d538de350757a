import os
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.check import ServedBase, check_adapter

FILES = ("adapter_config.json", "adapter_model.safetensors")


def refusal(folder: Path, **options: Any) -> AdapterError:
    with pytest.raises(AdapterError) as raised:
        check_adapter(folder, ServedBase(), **options)
    return raised.value


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["link", "dangling link", "loop", "pipe", "folder", "device"])
def test_only_plain_files_are_read(name: str, kind: str, adapter_files: Any, tmp_path: Path) -> None:
    path = adapter_files.write(tmp_path / "a") / name
    path.rename(tmp_path / "elsewhere")
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "loop":
        path.symlink_to(name)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    assert refusal(path.parent).reason == "UnsafeFile"


def test_pickles_are_refused_with_their_reason(adapter_files: Any, tmp_path: Path) -> None:
    folder = adapter_files.write(tmp_path / "a")
    (folder / FILES[1]).rename(folder / "adapter_model.bin")
    error = refusal(folder)
    assert error.reason == "WeightsMissing"
    assert "adapter_model.bin can run code" in error.message


def test_a_missing_folder_and_a_file_in_its_place_have_no_config(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none").reason == "ConfigMissing"
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file").reason == "ConfigMissing"


def test_the_size_is_limited_before_anything_is_read(adapter_files: Any, tmp_path: Path) -> None:
    folder = adapter_files.write(tmp_path / "a")
    assert refusal(folder, largest_bytes=1000).reason == "TooLarge"
    os.truncate(folder / FILES[1], 5 * 2**30)
    assert refusal(folder).reason == "TooLarge"


def test_other_files_are_passed_over(adapter_files: Any, tmp_path: Path) -> None:
    folder = adapter_files.write(tmp_path / "a")
    (folder / "README.md").symlink_to("/etc/passwd")
    (folder / "optimizer.pt").write_bytes(b"x")
    assert check_adapter(folder, ServedBase()).rank == 8
