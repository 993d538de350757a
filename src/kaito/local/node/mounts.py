"""How a container's volumes get to their mount paths: bind mounts in a namespace of its own, or rewritten paths."""

import asyncio
import os
import posixpath
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import msgspec

from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.core.objects import Object
from kaito.local.node import enter, shim
from kaito.local.node.environment import expand
from kaito.local.node.layout import private_folder

log = get_logger()

READ_ONLY_VOLUMES = ("configMap", "secret", "downwardAPI", "projected")
"""Volume types that are mounted read-only whatever the mount says. Source: kubelet."""


class Mount(TypedDict):
    """A bind mount: from a path of the host to an absolute path of the container."""

    source: str
    target: str
    readOnly: bool
    file: bool


@dataclass(frozen=True)
class MountPlan:
    """Bind mounts, or else (mount path -> path on the host) to be replaced in command, arguments and environment."""

    mounts: list[Mount] = field(default_factory=list)
    rewrites: dict[str, str] = field(default_factory=dict)


def plan_mounts(
    pod: Object, container: Object, volumes: Mapping[str, Path], env: Mapping[str, str], *, namespaced: bool
) -> MountPlan:
    """Return how a container reaches its volumes. Raises KaitoError for a mount of a volume that the pod lacks."""
    kinds = {volume["name"]: set(volume) for volume in pod["spec"].get("volumes") or ()}
    mounts: list[Mount] = []
    for mount in container.get("volumeMounts") or ():
        if mount["name"] not in volumes:
            raise KaitoError("CreateContainerError", f"volumeMount {mount['name']!r} names no volume of the pod.")
        source = _source(volumes[mount["name"]], mount, env)
        target = posixpath.normpath("/" + mount["mountPath"].lstrip("/"))
        if str(source) == target:
            continue
        read_only = bool(mount.get("readOnly")) or bool(kinds[mount["name"]].intersection(READ_ONLY_VOLUMES))
        mounts.append({"source": str(source), "target": target, "readOnly": read_only, "file": source.is_file()})
    if namespaced and mounts and _coverable(mounts, container["name"]):
        return MountPlan(mounts=mounts)
    return MountPlan(rewrites={mount["target"]: mount["source"] for mount in mounts})


def _source(volume: Path, mount: Object, env: Mapping[str, str]) -> Path:
    part = expand(mount["subPathExpr"], env) if mount.get("subPathExpr") else mount.get("subPath") or ""
    if not part:
        return volume
    if part.startswith("/") or ".." in part.split("/"):
        raise KaitoError(
            "CreateContainerConfigError",
            f"subPath {part!r} of volumeMount {mount['name']} leaves its volume.",
            remedy="Use a relative path without '..'.",
        )
    source = volume / part
    if not source.exists():
        source.mkdir(parents=True)  # Source: kubelet creates a missing subPath as a directory
    inside = source.resolve()
    if not inside.is_relative_to(volume.resolve()):
        raise KaitoError(
            "CreateContainerConfigError", f"subPath {part!r} of volumeMount {mount['name']} leaves its volume."
        )
    return inside


def _coverable(mounts: list[Mount], container: str) -> bool:
    try:
        enter.covers(mounts)
    except (ValueError, OSError) as error:
        log.warning("mount paths are rewritten for this container", container=container, because=str(error))
        return False
    return True


async def namespaces_allowed(root: Path) -> str:
    """Try a mount namespace with a mount of each sort. Return the empty string if it works, else why not."""
    with tempfile.TemporaryDirectory(dir=private_folder(root)) as folder:
        scratch, source = private_folder(Path(folder, "root")), private_folder(Path(folder, "source"))
        mount: Mount = {"source": str(source), "target": "/kaito-check/volume", "readOnly": True, "file": False}
        document = {
            "argv": [sys.executable, "-I", "-S", "-c", "import os; os.listdir('/kaito-check/volume')"],
            "env": {},
            "cwd": "/",
            "failure": 2,
            "mounts": [mount],
            "scratch": str(scratch),
        }
        descriptor = shim.memory_file(msgspec.json.encode(document))
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", enter.__file__, str(descriptor),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                pass_fds=(descriptor,),
            )  # fmt: skip
        finally:
            os.close(descriptor)
        output, _ = await process.communicate()
        return "" if process.returncode == 0 else output.decode(errors="replace").strip() or "it failed silently"
