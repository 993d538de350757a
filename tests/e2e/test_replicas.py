"""Two replicas of a component: one works, the other takes over when that one is gone, and never both at once."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cluster import Cluster

from kaito.local.ports import free_port


@dataclass(frozen=True)
class Replica:
    """A process, and the port of its metrics."""

    pid: int
    port: int

    def ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def leads(self) -> bool:
        """Whether it says so itself; one that does not answer does not lead."""
        try:
            metrics = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text.splitlines()
        except httpx.HTTPError:
            return False
        (line,) = (line for line in metrics if line.startswith("leader_election_master_status{"))
        return float(line.split()[-1]) == 1


def first(cluster: Cluster, program: str) -> tuple[Replica, list[str]]:
    """Return the replica that `kaito up` started, and its command line."""
    for process in cluster.processes():
        pid = int(process.split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        if any(part.endswith(f"/{program}") or part == program for part in command):
            address = command[command.index("--metrics-address") + 1]
            return Replica(pid, int(address.rpartition(":")[2])), command
    pytest.fail(f"{program} does not run")


@pytest.fixture(params=["kaito-controller", "kaito-provisioner"])
def replicas(cluster: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Replica, Replica]]:
    """The replica of `kaito up`, which leads, and a second one of the same command line, which stands by."""
    leader, command = first(cluster, request.param)
    if "--leader-elect" not in command:
        pytest.skip("the embedded cluster has one replica of each component and no election")
    port = free_port()
    command[command.index("--metrics-address") + 1] = f"127.0.0.1:{port}"
    if "--webhook-port" in command:
        command[command.index("--webhook-port") + 1] = str(free_port())
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            standby = Replica(process.pid, port)
            cluster.until("the standby's caches are filled", standby.ready, timeout=60)
            yield leader, standby
        finally:
            os.kill(leader.pid, signal.SIGCONT) if Path(f"/proc/{leader.pid}").exists() else None
            process.terminate()


def test_a_standby_waits_takes_over_from_a_hung_leader_and_gives_back(
    cluster: Cluster, replicas: tuple[Replica, Replica]
) -> None:
    leader, standby = replicas
    assert leader.leads()
    assert not standby.leads()
    os.kill(leader.pid, signal.SIGSTOP)
    cluster.until("the standby leads", standby.leads, timeout=60)
    os.kill(leader.pid, signal.SIGCONT)
    cluster.until("the one that hung begins anew", lambda: not Path(f"/proc/{leader.pid}").exists(), timeout=60)
    cluster.until("it is there again", leader.ready, timeout=60)
    assert standby.leads()
    assert not leader.leads()
    os.kill(standby.pid, signal.SIGTERM)
    cluster.until("the first leads again", leader.leads, timeout=60)
