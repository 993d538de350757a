import base64
import stat
from pathlib import Path
from typing import Any

import pytest

from kaito.core import KaitoError
from kaito.local.node.atomic_writer import File, write_files
from kaito.local.node.environment import Sources
from kaito.local.node.layout import Layout
from kaito.local.node.volumes import prepare_volumes

CONFIG = {"data": {"a": "1", "b": "2"}, "binaryData": {"c": base64.b64encode(b"\0").decode()}}
SECRET = {"data": {"token": base64.b64encode(b"t").decode()}}


def prepare(tmp_path: Path, *volumes: dict[str, Any], config: Any = CONFIG) -> dict[str, Path]:
    pod = {
        "metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": {"app": "x"}},
        "spec": {"volumes": list(volumes), "containers": []},
    }
    sources = Sources(pod, "127.1.0.2", "127.1.0.1", {"config": config}.get, {"secret": SECRET}.get, {})
    return prepare_volumes(pod, Layout(tmp_path), sources, lambda _: "account-token")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("..")}


def test_a_config_map_is_a_folder_of_links_through_one_that_is_replaced(tmp_path: Path) -> None:
    folder = prepare(tmp_path, {"name": "v", "configMap": {"name": "config"}})["v"]
    assert visible(folder) == {"a", "b", "c"}
    assert (folder / "a").readlink() == Path("..data/a")
    first = (folder / "..data").readlink()
    prepare(tmp_path, {"name": "v", "configMap": {"name": "config"}})
    assert (folder / "..data").readlink() == first
    prepare(tmp_path, {"name": "v", "configMap": {"name": "config"}}, config={"data": {"a": "new"}})
    assert (folder / "..data").readlink() != first
    assert (folder / "a").read_text() == "new"
    assert visible(folder) == {"a"}
    assert not (folder / first).exists()


def test_a_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = prepare(tmp_path, {"name": "v", "secret": {"secretName": "secret", "defaultMode": 0o644}})["v"]
    assert (mode(folder), mode(folder / "token"), (folder / "token").read_text()) == (0o700, 0o600, "t")


def test_items_choose_keys_paths_and_modes(tmp_path: Path) -> None:
    items = [{"key": "a", "path": "deep/x", "mode": 0o400}]
    folder = prepare(tmp_path, {"name": "v", "configMap": {"name": "config", "items": items}})["v"]
    assert visible(folder) == {"deep"}
    assert mode(folder / "deep/x") == 0o400


def test_projected_sources_share_one_folder(tmp_path: Path) -> None:
    sources = [
        {"configMap": {"name": "config", "items": [{"key": "a", "path": "a"}]}},
        {"secret": {"name": "secret"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"serviceAccountToken": {"path": "sa"}},
    ]
    folder = prepare(tmp_path, {"name": "v", "projected": {"sources": sources}})["v"]
    assert visible(folder) == {"a", "token", "labels", "sa"}
    assert (folder / "labels").read_text() == 'app="x"'
    assert (folder / "sa").read_text() == "account-token"


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"configMap": {"name": "config", "items": [{"key": "no", "path": "x"}]}},
            "references non-existent configmap key: no",
        ),
        ({"hostPath": {"path": "/etc/hostname", "type": "Directory"}}, "is not a Directory"),
        ({"persistentVolumeClaim": {"claimName": "x"}}, "cannot provide volumes of type persistentVolumeClaim"),
    ],
)
def test_what_cannot_be_mounted_is_said_as_the_kubelet_does(tmp_path: Path, volume: Any, message: str) -> None:
    with pytest.raises(KaitoError) as failure:
        prepare(tmp_path, {"name": "v", **volume})
    assert failure.value.reason == "FailedMount"
    assert failure.value.message.startswith('MountVolume.SetUp failed for volume "v" : ')
    assert message in failure.value.message


def test_an_optional_source_may_be_missing(tmp_path: Path) -> None:
    assert visible(prepare(tmp_path, {"name": "v", "secret": {"secretName": "no", "optional": True}})["v"]) == set()


def test_memory_volumes_are_shared_memory_and_go_with_the_pod(tmp_path: Path) -> None:
    folder = prepare(tmp_path, {"name": "v", "emptyDir": {"medium": "Memory"}})["v"]
    (folder / "x").write_text("x")
    target = folder.resolve()
    Layout(tmp_path).remove_pod("u")
    assert not target.exists()
    assert not Layout(tmp_path).pod("u").exists()


def test_removing_a_pod_leaves_what_a_host_path_points_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    prepare(tmp_path, {"name": "v", "hostPath": {"path": str(kept), "type": "DirectoryOrCreate"}})
    Layout(tmp_path).remove_pod("u")
    assert kept.is_dir()


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "..hidden"])
def test_a_path_that_leaves_the_volume_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="absolute or has a part"):
        write_files(tmp_path / "v", {path: File(b"")})
