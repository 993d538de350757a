"""What is known of each run of a container: the shim's `state.json`, read back."""

from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from kaito.core.clock import parse_timestamp

Phase = Literal["starting", "running", "exited"]

UNKNOWN_EXIT = 137
"""Exit code of a container whose shim vanished. Source: kubelet's ContainerStatusUnknown."""


class Record(msgspec.Struct, frozen=True, rename="camel"):
    """One run of one container. Times are RFC 3339 with nanoseconds, or empty.

    `backoff` is the pause in seconds that follows the end of this run. `rewrites` are the mount paths that were
    replaced because no mount namespace could be had. `image` is as written in the pod, `program` what it was mapped to.
    `stdin`, `stdin_once` and `tty` are the container's.
    """

    uid: str
    name: str
    attempt: int
    image: str = ""
    program: str = ""
    boot_id: str = ""
    backoff: float = 0.0
    namespaced: bool = False
    rewrites: dict[str, str] = {}
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    phase: Phase = "starting"
    stopping: bool = False
    shim_pid: int = 0
    shim_start: int = 0
    pid: int = 0
    start: int = 0
    started_at: str = ""
    finished_at: str = ""
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""

    @property
    def running(self) -> bool:
        """Whether processes of it may be alive."""
        return self.phase != "exited"

    @property
    def succeeded(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.phase == "exited" and self.exit_code == 0

    @property
    def container_id(self) -> str:
        """The container's id: stable for this run, different for the next."""
        return f"process://{self.uid}/{self.name}/{self.attempt}"

    @property
    def finished(self) -> datetime | None:
        """When it ended."""
        return parse_timestamp(self.finished_at[:26] + "Z") if self.finished_at else None

    @property
    def started(self) -> datetime | None:
        """When its program was started."""
        return parse_timestamp(self.started_at[:26] + "Z") if self.started_at else None


def read_record(folder: Path) -> Record | None:
    """Return the record in an attempt's folder, None when there is none (the shim has not begun, or never did)."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_record(folder: Path, record: Record) -> None:
    """Replace the record of a run whose shim is gone; only then is it ours to write."""
    temporary = folder / "state.json.new"
    temporary.write_bytes(msgspec.json.encode(record))
    temporary.chmod(0o600)
    temporary.replace(folder / "state.json")


def latest(records: tuple[Record, ...]) -> Record | None:
    """Return the last run."""
    return records[-1] if records else None
