import errno
import os
from pathlib import Path
from typing import Any

import pytest

from kaito.runtime.adapters import AdapterError
from kaito.runtime.adapters.store import copying
from kaito.runtime.adapters.store.copying import copy_adapter

FILES = ("adapter_config.json", "adapter_model.safetensors")


@pytest.fixture
def source(adapter_files: Any, tmp_path: Path) -> Path:
    return adapter_files.write(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def refusal(source: Path, target: Path, **options: Any) -> AdapterError:
    with pytest.raises(AdapterError) as raised:
        copy_adapter(source, target, **{"within": source, "largest_bytes": 10**6} | options)
    return raised.value


def test_the_two_files_are_copied_and_no_others(source: Path, target: Path) -> None:
    (source / "README.md").touch()
    copy_adapter(source, target, within=source, largest_bytes=10**6)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        name: (source / name).read_bytes() for name in FILES
    }


def test_the_links_of_a_mounted_volume_are_followed(source: Path, target: Path, tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    source.rename(mount / "..2026_11_21")
    (mount / "..data").symlink_to("..2026_11_21")
    for name in FILES:
        (mount / name).symlink_to(f"..data/{name}")
    copy_adapter(mount, target, within=mount, largest_bytes=10**6)
    assert sorted(path.name for path in target.iterdir()) == sorted(FILES)
    assert not any(path.is_symlink() for path in target.iterdir())


@pytest.mark.parametrize("link", ["../elsewhere", "/etc/passwd", "/dev/zero", "nowhere", "adapter_config.json"])
def test_a_link_that_leads_elsewhere_is_refused(source: Path, target: Path, tmp_path: Path, link: str) -> None:
    (source / FILES[0]).rename(tmp_path / "elsewhere")
    (source / FILES[0]).symlink_to(link)
    assert refusal(source, target).reason == "UnsafeFile"


def test_a_link_may_lead_as_far_as_it_is_told(source: Path, target: Path, tmp_path: Path) -> None:
    (source / FILES[1]).rename(tmp_path / "blob")
    (source / FILES[1]).symlink_to("../blob")
    copy_adapter(source, target, within=tmp_path, largest_bytes=10**6)


def test_what_is_missing_or_too_large_is_told(source: Path, target: Path) -> None:
    assert refusal(source, target, largest_bytes=1000).reason == "TooLarge"
    (target / FILES[0]).unlink()
    (target / FILES[1]).unlink()
    (source / FILES[1]).unlink()
    assert refusal(source, target).reason == "WeightsMissing"
    (source / FILES[0]).unlink()
    assert refusal(source, target).reason == "ConfigMissing"


@pytest.mark.parametrize("change", ["append", "replace", "remove", "touch"])
def test_a_source_that_changes_meanwhile_is_to_be_read_again(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    weights = source / FILES[1]
    copy = copying._copy

    def change_during(*arguments: Any) -> int:
        copied = copy(*arguments)
        if change == "append":
            with weights.open("ab") as file:
                file.write(b"more")
        elif change == "replace":
            (source / "new").write_bytes(weights.read_bytes())
            (source / "new").replace(weights)
        elif change == "touch":
            os.utime(weights, ns=(1, 1))
        elif arguments[2] == weights.stat().st_size:
            weights.unlink()
        return copied

    monkeypatch.setattr(copying, "_copy", change_during)
    error = refusal(source, target)
    assert (error.reason, error.passes) == ("SourceUnreachable", True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_passes(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: Any) -> int:
        raise OSError(number, "full")

    monkeypatch.setattr(copying, "_copy", full)
    error = refusal(source, target)
    assert (error.reason, error.passes) == ("DiskFull", True)
