from pathlib import Path
from typing import Any

import pytest

from kaito.core import KaitoError
from kaito.local.node import enter
from kaito.local.node.mounts import plan_mounts


def plan(tmp_path: Path, *mounts: dict[str, Any], namespaced: bool = True) -> Any:
    for name in ("data", "config"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "config" / "key").write_text("x")
    pod = {"spec": {"volumes": [{"name": "data", "emptyDir": {}}, {"name": "config", "configMap": {"name": "c"}}]}}
    volumes = {"data": tmp_path / "data", "config": tmp_path / "config"}
    return plan_mounts(
        pod, {"name": "main", "volumeMounts": list(mounts)}, volumes, {"POD": "p-0"}, namespaced=namespaced
    )


def test_volumes_become_bind_mounts_and_those_made_of_files_are_read_only(tmp_path: Path) -> None:
    found = plan(tmp_path, {"name": "data", "mountPath": "/work/"}, {"name": "config", "mountPath": "/mnt/config"})
    assert found.mounts == [
        {"source": str(tmp_path / "data"), "target": "/work", "readOnly": False, "file": False},
        {"source": str(tmp_path / "config"), "target": "/mnt/config", "readOnly": True, "file": False},
    ]
    assert found.rewrites == {}


def test_without_namespaces_mount_paths_are_rewritten(tmp_path: Path) -> None:
    found = plan(tmp_path, {"name": "data", "mountPath": "/work"}, namespaced=False)
    assert (found.mounts, found.rewrites) == ([], {"/work": str(tmp_path / "data")})


def test_a_mount_at_its_own_place_needs_nothing(tmp_path: Path) -> None:
    assert plan(tmp_path, {"name": "data", "mountPath": str(tmp_path / "data")}).mounts == []


def test_a_sub_path_is_a_part_of_its_volume(tmp_path: Path) -> None:
    found = plan(
        tmp_path,
        {"name": "config", "mountPath": "/etc/app/key", "subPath": "key"},
        {"name": "data", "mountPath": "/work", "subPathExpr": "logs/$(POD)"},
    )
    assert [(mount["source"], mount["file"]) for mount in found.mounts] == [
        (str(tmp_path / "config" / "key"), True),
        (str(tmp_path / "data" / "logs" / "p-0"), False),
    ]


def test_a_sub_path_may_not_leave_its_volume(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to("/etc")
    for part in ("../x", "/etc", "out"):
        with pytest.raises(KaitoError, match="leaves its volume"):
            plan(tmp_path, {"name": "data", "mountPath": "/work", "subPath": part})


def test_a_mount_of_no_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KaitoError, match="names no volume"):
        plan(tmp_path, {"name": "nothing", "mountPath": "/work"})


def target(path: str, *, file: bool = False) -> Any:
    return {"source": "/", "target": path, "readOnly": False, "file": file}


def test_only_parents_of_missing_mount_points_are_covered_outermost_first(tmp_path: Path) -> None:
    (tmp_path / "mnt").mkdir()
    (tmp_path / "dev" / "shm").mkdir(parents=True)
    mounts = [target("/mnt/a/b"), target("/dev/shm"), target("/workspace/weights"), target("/mnt/c", file=True)]
    assert enter.covers(mounts, str(tmp_path)) == [str(tmp_path), str(tmp_path / "mnt")]
    assert enter.covers([target("/dev/shm")], str(tmp_path)) == []


def test_a_parent_with_too_many_entries_is_not_covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enter, "ENTRIES_LIMIT", 2)
    for name in "abc":
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="more than 2 entries"):
        enter.covers([target("/missing")], str(tmp_path))
