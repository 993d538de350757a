"""A pod's volumes on the host: which files each holds (pure), and bringing them there."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

from kaito.core.errors import KaitoError
from kaito.core.objects import Object
from kaito.local.node.atomic_writer import File, write_files
from kaito.local.node.environment import Sources, field_value, resource_value
from kaito.local.node.layout import Layout, private_folder

TokenSource = Callable[[Object], str | None]
"""A projected serviceAccountToken source -> the token, None while it is not there yet."""

DEFAULT_MODE = 0o644


def failed_mount(volume: str, message: str, remedy: str = "") -> KaitoError:
    """Return the error that becomes the pod's FailedMount event."""
    text = f'MountVolume.SetUp failed for volume "{volume}" : {message}'
    return KaitoError("FailedMount", text, remedy=remedy, retry_after=2.0)


def prepare_volumes(pod: Object, layout: Layout, sources: Sources, token: TokenSource) -> dict[str, Path]:
    """Make, or update, every volume of a pod and return where each is. Safe to run again at any time.

    Raises KaitoError FailedMount, as the kubelet words it, for what is missing or not supported.
    """
    uid = pod["metadata"]["uid"]
    return {
        volume["name"]: _prepare(volume, layout, uid, sources, token) for volume in pod["spec"].get("volumes") or ()
    }


def _prepare(volume: Object, layout: Layout, uid: str, sources: Sources, token: TokenSource) -> Path:
    name = volume["name"]
    folder = layout.volume(uid, name)
    if "hostPath" in volume:
        return _host_path(name, volume["hostPath"])
    if "emptyDir" in volume:
        return _empty_dir(layout, uid, name, memory=(volume["emptyDir"] or {}).get("medium") == "Memory")
    files = volume_files(volume, sources, token)
    secret = "secret" in volume
    private_folder(folder.parent)
    write_files(folder, files, folder_mode=0o700 if secret else 0o755)
    return folder


def _empty_dir(layout: Layout, uid: str, name: str, *, memory: bool) -> Path:
    folder = layout.volume(uid, name)
    private_folder(folder.parent)
    if not memory:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        return folder
    target = layout.memory_volume(uid, name)
    if not folder.is_symlink():
        folder.symlink_to(target)
    private_folder(target)
    return target


def _host_path(name: str, source: Object) -> Path:
    """Check, or create, a hostPath by its type. Source: Kubernetes' HostPathType."""
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch(exist_ok=True)
    tests: dict[str, Callable[[], bool]] = {
        "": path.exists,
        "Directory": path.is_dir,
        "DirectoryOrCreate": path.is_dir,
        "File": path.is_file,
        "FileOrCreate": path.is_file,
        "Socket": path.is_socket,
        "CharDevice": path.is_char_device,
        "BlockDevice": path.is_block_device,
    }
    if kind == "" and not path.exists():
        path.mkdir(parents=True)  # as container runtimes do for a bind mount's missing source
    if not tests.get(kind, path.exists)():
        raise failed_mount(name, f"hostPath type check failed: {path} is not a {kind or 'path'}.")
    return path


def volume_files(volume: Object, sources: Sources, token: TokenSource) -> dict[str, File]:
    """Return the files of a configMap, secret, downwardAPI or projected volume (relative path -> file)."""
    name = volume["name"]
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            return _source_files(name, kind, volume[kind], volume[kind].get("defaultMode"), sources, token)
    if "projected" in volume:
        projected = volume["projected"]
        found: dict[str, File] = {}
        for source in projected.get("sources") or ():
            for kind, body in source.items():
                found.update(_source_files(name, kind, body, projected.get("defaultMode"), sources, token))
        return found
    kinds = ", ".join(key for key in volume if key != "name") or "none"
    raise failed_mount(
        name,
        f"this node cannot provide volumes of type {kinds}.",
        "It provides emptyDir, hostPath, configMap, secret, downwardAPI and projected.",
    )


def _source_files(
    volume: str, kind: str, source: Object, mode: int | None, sources: Sources, token: TokenSource
) -> dict[str, File]:
    mode = DEFAULT_MODE if mode is None else mode
    if kind == "configMap":
        return _object_files(volume, "configmap", source, mode, sources)
    if kind == "secret":
        return _object_files(volume, "secret", source, mode, sources)
    if kind == "downwardAPI":
        return {
            item["path"]: File(_downward(item, sources), item.get("mode") or mode) for item in source.get("items") or ()
        }
    if kind == "serviceAccountToken":
        text = token(source)
        if text is None:
            raise failed_mount(volume, "the service account's token has not been issued yet.")
        return {source["path"]: File(text.encode(), 0o600)}
    raise failed_mount(volume, f"this node cannot project {kind}.")


def _downward(item: Object, sources: Sources) -> bytes:
    if "fieldRef" in item:
        return field_value(item["fieldRef"]["fieldPath"], sources).encode()
    return resource_value(item["resourceFieldRef"], {}, sources).encode()


def _object_files(volume: str, kind: str, source: Object, mode: int, sources: Sources) -> dict[str, File]:
    name = source.get("name") or source.get("secretName") or ""
    obj = sources.secret(name) if kind == "secret" else sources.config_map(name)
    optional = bool(source.get("optional"))
    if obj is None:
        if optional:
            return {}
        raise failed_mount(volume, f'{kind} "{name}" not found', f"Create the {kind}, or mark the volume optional.")
    data = _contents(obj, secret=kind == "secret")
    keep = 0o700 if kind == "secret" else 0o777  # one user runs everything here: nobody else may read a secret
    items = source.get("items")
    if not items:
        return {key: File(value, mode & keep) for key, value in data.items()}
    found: dict[str, File] = {}
    for item in items:
        if item["key"] in data:
            found[item["path"]] = File(data[item["key"]], (item.get("mode") or mode) & keep)
        elif not optional:
            raise failed_mount(volume, f"references non-existent {kind} key: {item['key']}")
    return found


def _contents(obj: Object, *, secret: bool) -> dict[str, bytes]:
    data: Mapping[str, str] = obj.get("data") or {}
    if secret:
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary: Mapping[str, str] = obj.get("binaryData") or {}
    return {key: value.encode() for key, value in data.items()} | {
        key: base64.b64decode(value) for key, value in binary.items()
    }
