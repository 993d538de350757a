"""Bulk on a real kube-apiserver: 1,000 ConfigMaps, one owned ConfigMap and one annotation each: 2,000 writes.

The control plane of hack/kube runs for the whole row. Each run has a namespace of its own and caches only that. Nothing
is pinned: controller, driver, server and etcd share the cores. Requests are counted by the server's audit log.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.processes import ROOT, peer_process
from bench.replay.families import ROLE, payload
from bench.rows.figures import of_report
from bench.rows.row import Figures, Medians, Row, Run, Verdict, at_least, at_most, ratio
from kaito.core import Client, load_connection

OBJECTS: Final = 1_000
AT_A_TIME: Final = 16
AGENTS: Final = {"kaito": ("bench-kaito",), "go": ("bench-go",), "kopf": ("kopf/", "bench-kopf")}
"""How the user agents of a peer begin."""
WRITES: Final = {"create", "update", "patch", "delete"}
START_SECONDS: Final = 600.0


@contextmanager
def control_plane() -> Iterator[tuple[str, Path]]:
    """Run a real control plane; yields its kubeconfig and its audit log."""
    with tempfile.TemporaryDirectory(prefix="kaito-bench-") as folder:
        told = Path(folder) / "told"
        tell = f'echo "$KUBECONFIG $KAITO_AUDIT_LOG" > {told}.new && mv {told}.new {told} && exec sleep infinity'
        command = [sys.executable, str(ROOT / "hack" / "kube" / "control_plane.py"), f"--dir={folder}/kube"]
        process = subprocess.Popen([*command, "--", "sh", "-c", tell])
        try:
            deadline = time.monotonic() + START_SECONDS
            while not told.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("there is no control plane (hack/kube/control_plane.py)")
                time.sleep(0.2)
            kubeconfig, audit = told.read_text().split()
            yield kubeconfig, Path(audit)
        finally:
            process.terminate()
            process.wait()


async def drive(kubeconfig: str, namespace: str, objects: int) -> None:
    """Create the primary objects, some at a time."""
    client = await Client.connect(load_connection(kubeconfig), field_manager="bench-driver")
    names = iter([f"object-{index:06d}" for index in range(objects)])

    async def create() -> None:
        for name in names:
            metadata = {"name": name, "namespace": namespace, "labels": {ROLE: "primary"}}
            data = {"payload": payload(name, 2048)}
            await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_A_TIME):
                group.create_task(create())
    finally:
        await client.close()


async def make_namespace(kubeconfig: str, name: str) -> None:
    """Create a namespace."""
    client = await Client.connect(load_connection(kubeconfig), field_manager="bench-driver")
    try:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    finally:
        await client.close()


def measure(peer: str, kubeconfig: str, audit: Path, namespace: str, objects: int = OBJECTS) -> Figures:
    """Run one peer once, in a namespace of its own."""
    asyncio.run(make_namespace(kubeconfig, namespace))
    arguments = ["--workload=bulk", f"--kubeconfig={kubeconfig}", f"--namespace={namespace}", f"--objects={objects}"]
    with peer_process(peer, arguments, pinned=False) as process:
        process.expect("ready")
        process.order("begin")
        begin, end_of_log = time.time(), audit.stat().st_size
        asyncio.run(drive(kubeconfig, namespace, objects))
        done = process.expect("done")["done"]
        time.sleep(2)  # what comes after the last write is counted too
        process.order("end")
        line = process.expect("result")
    writes, conflicts, requests = _audited(audit, end_of_log, peer)
    return {
        "wall s": done - begin,
        **of_report(line),
        "writes": writes,
        "409s": conflicts,
        "requests": requests,
        "CPU µs a write": line["result"]["cpu_seconds"] / max(1, writes) * 1e6,
    }


def _audited(audit: Path, begin: int, peer: str) -> tuple[int, int, int]:
    """Return a peer's writes, how many of them were conflicts, and all its requests, from a place in the log on."""
    seen: Counter[str] = Counter()
    with audit.open("rb") as log:
        log.seek(begin)
        for line in log:
            event = json.loads(line)
            if event.get("userAgent", "").startswith(AGENTS[peer]) and event["stage"] == "ResponseComplete":
                seen["requests"] += 1
                if event["verb"] in WRITES and event["objectRef"]["resource"] == "configmaps":
                    seen["writes"] += 1
                    seen["conflicts"] += event["responseStatus"]["code"] == 409
    return seen["writes"], seen["conflicts"], seen["requests"]


def run(peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Run the peers in turns against one control plane."""
    os.environ.pop("KUBECONFIG", None)
    with control_plane() as (kubeconfig, audit):
        for number in range(1, rounds + 1):
            for peer in peers:
                yield Run(peer, number, measure(peer, kubeconfig, audit, f"bench-{peer}-{number}"))


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    off = abs(own["writes"] - 2 * OBJECTS) if "writes" in own else None
    return [
        at_most("wall at most 1.1 times Go's", ratio(found, "wall s", "kaito", "go"), 1.1, " times"),
        at_most("CPU at most Go's", ratio(found, "CPU s", "kaito", "go"), 1, " times"),
        at_least("at least 6 times less CPU than kopf", ratio(found, "CPU s", "kopf", "kaito"), 6, " times"),
        at_most("RSS at most 64 MiB", own.get("peak RSS MiB"), 64, " MiB"),
        at_most("exactly 2,000 writes (difference)", off, 0),
        at_most("no 409", own.get("409s"), 0),
    ]


ROW: Final = Row(
    "bulk",
    f"bulk on a real kube-apiserver: {OBJECTS:,} ConfigMaps of 2 KiB; an owned ConfigMap and an annotation for each",
    ("kaito", "go", "kopf"),
    run,
    verdicts,
)
