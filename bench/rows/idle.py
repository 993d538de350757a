"""Idle: 10,000 Pods cached, a Lease held; all peers at the same time, each its own process, a minute a round."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

from bench.processes import PeerProcess, peer_process, replay_server
from bench.rows.row import Medians, Row, Run, Verdict, at_most

OBJECTS: Final = 10_000
MINUTE: Final = 60.0
SETTLE_SECONDS: Final = 10.0
QUIET: Final = ("WATCH ", "GET /apis/coordination.k8s.io/v1/leases", "UPDATE /apis/coordination.k8s.io/v1/leases")
"""How requests begin that an idle controller may make."""


def run(peers: Sequence[str], rounds: int, objects: int = OBJECTS, minute: float = MINUTE) -> Iterator[Run]:
    """Let all peers idle together."""
    with ExitStack() as stack:
        server = stack.enter_context(replay_server(f"--generate=pods={objects}"))
        processes: list[PeerProcess] = []
        for peer in peers:
            arguments = ["--workload=idle", f"--server={server.address}", f"--objects={objects}"]
            processes.append(stack.enter_context(peer_process(peer, arguments)))
            processes[-1].expect("ready")
        time.sleep(SETTLE_SECONDS * minute / MINUTE)
        for number in range(1, rounds + 1):
            cpu, requests = [process.cpu_seconds() for process in processes], server.statistics()["agents"]
            begin = time.monotonic()
            time.sleep(minute)
            passed = (time.monotonic() - begin) / 60
            made = _made(requests, server.statistics()["agents"])
            for process, before in zip(processes, cpu, strict=True):
                own = made[process.name]
                noise = sum(n for what, n in own.items() if not what.startswith(QUIET))
                figures = {
                    "CPU s a minute": (process.cpu_seconds() - before) / passed,
                    "requests a minute": sum(own.values()) / passed,
                    "requests but watches and Leases": noise,
                }
                yield Run(process.name, number, figures)


def _made(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Counter[str]]:
    """Return the requests that were made in between, by peer."""
    made: dict[str, Counter[str]] = {"kaito": Counter(), "go": Counter(), "kopf": Counter()}
    for agent, requests in after.items():
        peer = next((name for name in made if name in agent), "")
        if peer:
            made[peer].update(Counter(requests) - Counter(before.get(agent, {})))
    return made


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    return [
        at_most("at most 0.05 CPU s a minute", own.get("CPU s a minute"), 0.05, " s"),
        at_most("only watches and Leases on the wire", own.get("requests but watches and Leases"), 0),
    ]


ROW: Final = Row("idle", f"idle with {OBJECTS:,} objects of 10 KB cached", ("kaito", "go", "kopf"), run, verdicts)
