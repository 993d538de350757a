"""Runs the `kaito` and `kubectl` commands on one cluster, as a person would."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Cluster:
    """A running kaito and the commands to talk to it."""

    directory: Path
    kubeconfig: Path
    pods: IPv4Network
    up_arguments: tuple[str, ...]

    def kaito(self, *arguments: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run the `kaito` command on this cluster's directory."""
        return self._run(["kaito", *arguments, "--dir", str(self.directory)], check, timeout)

    def up(self) -> None:
        """Start the cluster, or start it again."""
        self._run(["kaito", "up", *self.up_arguments], True, 300)

    def kubectl(self, *arguments: str, check: bool = True, timeout: float = 120) -> str:
        """Run the real kubectl and return its standard output."""
        return self._run(["kubectl", *arguments], check, timeout).stdout

    def refused(self, *arguments: str, manifest: str) -> str:
        """Run kubectl with a manifest on standard input that must be refused; return what it said."""
        done = self._run(["kubectl", *arguments, "-f", "-"], False, 60, manifest)
        assert done.returncode != 0, f"kubectl accepted it: {done.stdout}"
        return done.stderr

    def apply(self, manifest: str | Path) -> str:
        """Apply a file, or a manifest given as text; return both streams, for kubectl prints warnings on the second."""
        if isinstance(manifest, Path):
            done = self._run(["kubectl", "apply", "-f", str(manifest)], True, 60)
        else:
            done = self._run(["kubectl", "apply", "-f", "-"], True, 60, manifest)
        return done.stdout + done.stderr

    def object(self, *arguments: str) -> dict[str, Any] | None:
        """Return what `kubectl get … -o json` prints, or None when the object does not exist."""
        text = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def until(
        self, what: str, condition: Callable[[], Any], timeout: float, seen: Callable[[], Any] | None = None
    ) -> Any:
        """Wait until `condition` returns something true, and return that; on failure show what `seen` returns."""
        deadline = time.monotonic() + timeout
        while True:
            if found := condition():
                return found
            if time.monotonic() > deadline:
                found = f"\n{seen()}" if seen else ""
                # The account is long and a log is often cut: what failed stands at both ends of it.
                failure = f"{what}: not within {timeout:.0f} s{found}"
                pytest.fail(f"{failure}\n{self.account()}\n{failure}", pytrace=False)
            time.sleep(0.25)

    def processes(self) -> list[str]:
        """Return the processes that belong to this cluster: by argument, environment or working directory."""
        return processes_of(self.directory, self.pods)

    def account(self) -> str:
        """Return what a person would look at first when something does not come."""
        objects = self.kubectl("get", "workspaces,machines,nodes,pods", "-o", "wide", check=False)
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False)
        events = "\n".join(events.splitlines()[-30:])
        logs = ""
        for log in sorted((self.directory / "logs").glob("kaito-*.log")):
            logs += f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]) + "\n"
        return f"{objects}\n{events}\n{logs}"

    def environment(self) -> dict[str, str]:
        """Return the environment of a person's shell that works on this cluster."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path, "TERM": "xterm"}

    def _run(
        self, command: list[str], check: bool, timeout: float, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=self.environment(), input=stdin, check=False
        )
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)} exited {done.returncode}\n{done.stdout}{done.stderr}")
        return done


def processes_of(directory: Path, pods: IPv4Network) -> list[str]:
    """Return the processes that belong to a cluster directory: by argument, working directory or pod address."""
    mark = str(directory).encode()
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            command = (process / "cmdline").read_bytes()
            about = command + (process / "environ").read_bytes() + bytes((process / "cwd").readlink())
        except OSError:
            continue
        bound = re.search(rb"\0KAITO_BIND_HOST=([0-9.]+)", about)
        if mark in about or (bound and IPv4Address(bound[1].decode()) in pods):
            found.append(f"{process.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found
