"""The figures of a demo: time to ready, the control plane's own share, memory."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kaito.cli.demo.control_plane_share import control_plane_share
from kaito.local.directory import ClusterDirectory
from kaito.local.processes import Records

PROCESSES = ("kaito-controller", "kaito-provisioner", "kaito-apiserver")
BUDGET_SHARE_SECONDS = 1.0
BUDGET_BYTES = 80 * 10**6


@dataclass(frozen=True)
class Figures:
    """Seconds, and resident bytes by process. A share of None: the start was not in the log."""

    apply_to_ready: float
    share: float | None
    resident: dict[str, int]

    def lines(self) -> list[str]:
        """Return the figures as lines to print."""
        result = [f"apply to ready             {self.apply_to_ready:8.1f} s"]
        if self.share is not None:
            result.append(
                f"of it, our controllers     {self.share:8.3f} s  (budget {BUDGET_SHARE_SECONDS:.0f} s; from the audit log)"
            )
        result += [
            f"{name:<26} {size / 10**6:8.1f} MB  (RSS; budget {BUDGET_BYTES // 10**6} MB)"
            for name, size in self.resident.items()
        ]
        return result


def measure(paths: ClusterDirectory, start: datetime, end: datetime) -> Figures:
    """Return the figures of a start between two moments."""
    share = control_plane_share(_lines(paths.audit_log), start, end) if paths.audit_log.is_file() else None
    records = Records(paths.run)
    resident = {
        name: record.identity.resident_bytes() for name in PROCESSES if (record := records.read(name)) is not None
    }
    return Figures((end - start).total_seconds(), share, resident)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()
