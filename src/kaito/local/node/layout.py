"""Where kaito-node keeps what, below its `--dir`: every other file of this package asks here for paths.

<dir>/kubelet.port
<dir>/pki/kubelet.{crt,key}
<dir>/pods/<uid>/pod.json                              namespace, name, uid and address of the pod
<dir>/pods/<uid>/volumes/<volume>/
<dir>/pods/<uid>/containers/<container>/<attempt>/     state.json, log, log.1, lock, stop, attach, attached, root/
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the kernel's shared memory, where emptyDir volumes of medium Memory live


@dataclass(frozen=True)
class Layout:
    """The folders of one node."""

    root: Path

    @property
    def pki(self) -> Path:
        """Folder of the kubelet endpoint's certificate and key."""
        return self.root / "pki"

    @property
    def kubelet_port(self) -> Path:
        """File with the port that the kubelet endpoint had last."""
        return self.root / "kubelet.port"

    @property
    def pods(self) -> Path:
        """Folder with one folder per pod, named by uid."""
        return self.root / "pods"

    def pod(self, uid: str) -> Path:
        """Folder of one pod."""
        return self.pods / uid

    def volume(self, uid: str, name: str) -> Path:
        """Folder, or link to the folder, of one volume."""
        return self.pod(uid) / "volumes" / name

    def container(self, uid: str, name: str) -> Path:
        """Folder with one folder per attempt of a container."""
        return self.pod(uid) / "containers" / name

    def attempt(self, uid: str, name: str, attempt: int) -> Path:
        """Folder of one run of a container."""
        return self.container(uid, name) / str(attempt)

    def memory_volume(self, uid: str, name: str) -> Path:
        """Folder of an emptyDir of medium Memory; in the pod's folder where there is no shared memory."""
        if SHARED_MEMORY.is_dir():
            return SHARED_MEMORY / f"kaito-{uid}-{name}"
        return self.pod(uid) / "memory" / name

    def remove_pod(self, uid: str) -> None:
        """Remove everything of a pod; a part that is gone already is no error."""
        self.remove_memory(uid)
        shutil.rmtree(self.pod(uid), ignore_errors=True)

    def remove_memory(self, uid: str) -> None:
        """Free the memory of a pod's emptyDir volumes of medium Memory, as the end of a machine would."""
        volumes = self.pod(uid) / "volumes"
        for volume in volumes.iterdir() if volumes.is_dir() else ():
            if volume.is_symlink() and volume.readlink().name.startswith(f"kaito-{uid}-"):
                shutil.rmtree(volume.readlink(), ignore_errors=True)


def private_folder(path: Path) -> Path:
    """Make a folder that only we can enter, with its parents, and return it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
