"""The figures of a demo: time to ready, the control plane's own share, memory."""

from dataclasses import dataclass
from datetime import datetime

from kaito.cli.demo.control_plane_share import reactions, read_writes
from kaito.local.directory import ClusterDirectory
from kaito.local.processes import Records
from kaito.provisioner.clouds.local import read_settings

PROCESSES = ("kaito-controller", "kaito-provisioner", "kaito-apiserver")
BUDGET_SHARE_SECONDS = 1.0
BUDGET_BYTES = 80 * 10**6


@dataclass(frozen=True)
class Figures:
    """Seconds, and resident bytes by process. A share of None: the start was not in the log."""

    apply_to_ready: float
    share: float | None
    """Seconds in which the start waited for our controllers; the cloud's own time to launch is taken off."""
    resident: dict[str, int]

    def lines(self) -> list[str]:
        """Return the figures as lines to print."""
        result = [f"apply to ready             {self.apply_to_ready:8.1f} s"]
        if self.share is not None:
            result.append(
                f"of it, our controllers     {self.share:8.3f} s  (budget {BUDGET_SHARE_SECONDS:.0f} s; audit log)"
            )
        result += [
            f"{name:<26} {size / 10**6:8.1f} MB  (RSS; budget {BUDGET_BYTES // 10**6} MB)"
            for name, size in self.resident.items()
        ]
        return result


def measure(paths: ClusterDirectory, start: datetime, ready: datetime) -> Figures:
    """Return the figures of a start; `ready` is the moment that the Workspace's timeline gives."""
    share = _share(paths, start, ready) if paths.audit_log.is_file() else None
    records = Records(paths.run)
    resident = {
        name: record.identity.resident_bytes() for name in PROCESSES if (record := records.read(name)) is not None
    }
    return Figures((ready - start).total_seconds(), share, resident)


def _share(paths: ClusterDirectory, start: datetime, ready: datetime) -> float | None:
    """Return our controllers' share; None when the start made no machine, so that there was none to measure.

    The local cloud takes `launch_seconds` for each machine, in which our provisioner waits: that time is the cloud's.
    """
    found = reactions(read_writes(paths.audit_log.read_bytes().splitlines()), start, ready)
    machines = sum(one.write.verb == "create" and one.write.resource == "machines" for one in found)
    if not machines:
        return None
    return sum(one.seconds for one in found) - machines * read_settings(paths.cloud).launch_seconds
