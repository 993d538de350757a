"""The processes of a run: peers, which take orders, and the replay server; each on a core of its own where it can."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kaito.local.ports import free_port

ROOT: Final = Path(__file__).resolve().parents[1]
OUTPUT: Final = ROOT / "build" / "bench"
GO_PEER: Final = OUTPUT / "go-peer"
PEERS: Final = ("kaito", "go", "kopf")
TITLES: Final = {"kaito": "kaito.core", "go": "controller-runtime", "kopf": "kopf"}
_TIMEOUT: Final = 300.0


def cores() -> tuple[set[int], set[int]]:
    """Return the cores for servers and for peers: two different ones where there are two."""
    allowed = sorted(os.sched_getaffinity(0))
    return ({allowed[0]}, {allowed[1]}) if len(allowed) > 1 else ({allowed[0]}, {allowed[0]})


def command(peer: str) -> list[str]:
    """Return how a peer is started."""
    return [str(GO_PEER)] if peer == "go" else [sys.executable, "-m", f"bench.peers.{peer}_peer"]


class PeerProcess:
    """One peer: `expect` what it says, give it an `order`."""

    def __init__(self, peer: str, arguments: Sequence[str], *, pinned: bool = True) -> None:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        affinity = cores()[1] if pinned else os.sched_getaffinity(0)
        self.name = peer
        self._log = OUTPUT / f"{peer}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command(peer), *arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=lambda: os.sched_setaffinity(0, affinity),
            )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def expect(self, key: str, timeout: float = _TIMEOUT) -> dict[str, Any]:
        """Return the next line that has `key`. RuntimeError with the end of the log when none comes."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = {}
            if key in line:
                return line
            if not line:
                tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-10:])
                raise RuntimeError(f"{self.name} said no {key!r} within {timeout:.0f} s\n{tail}")

    def order(self, order: str) -> None:
        """Send `begin` or `end`."""
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def cpu_seconds(self) -> float:
        """Return the CPU that all of its threads have used, to the nanosecond (the clock tick is too coarse)."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def stop(self) -> None:
        """End the process, however it is."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put({})


@contextmanager
def peer_process(peer: str, arguments: Sequence[str], *, pinned: bool = True) -> Iterator[PeerProcess]:
    """Run a peer during the block."""
    process = PeerProcess(peer, arguments, pinned=pinned)
    try:
        yield process
    finally:
        process.stop()


class ReplayServer:
    """A running replay server."""

    def __init__(self, *arguments: str) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.replay.server", f"--port={port}", *arguments],
            cwd=ROOT,
            preexec_fn=lambda: os.sched_setaffinity(0, cores()[0]),
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                self.statistics()
                return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def statistics(self) -> dict[str, Any]:
        """Return what the server counted."""
        return self._ask("GET", "/stats")

    def control(self, what: str) -> None:
        """Start something, as `steady?plural=widgets&rate=1000&seconds=60`."""
        self._ask("POST", f"/control/{what}")

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait()

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        request = urllib.request.Request(self.address + path, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


@contextmanager
def replay_server(*arguments: str) -> Iterator[ReplayServer]:
    """Run a replay server during the block."""
    server = ReplayServer(*arguments)
    try:
        yield server
    finally:
        server.stop()
