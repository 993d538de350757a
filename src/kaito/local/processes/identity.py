"""Which process a pid means: pids are reused, a pid with its start time is not."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """A process for ever: its pid and its start in clock ticks since boot (field 22 of `/proc/PID/stat`)."""

    pid: int
    start_ticks: int

    def alive(self) -> bool:
        """Whether this very process runs; a zombie does not."""
        return _read(self.pid) == (self.start_ticks, True)

    def send(self, number: signal.Signals) -> bool:
        """Signal the process group that it leads, else the process alone; False when it is gone."""
        if not self.alive():
            return False
        try:
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def resident_bytes(self) -> int:
        """Return the resident memory (`VmRSS`) in bytes; 0 when the process is gone."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        line = next((line for line in status.splitlines() if line.startswith("VmRSS:")), "")
        return int(line.split()[1]) * 1024 if line else 0


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a running process, or None."""
    found = _read(pid)
    return ProcessIdentity(pid, found[0]) if found is not None else None


def _read(pid: int) -> tuple[int, bool] | None:
    """Return start time and whether the process is more than a zombie; None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19]), fields[0] not in (b"Z", b"X")
    except (OSError, IndexError, ValueError):
        return None
