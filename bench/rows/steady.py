"""1,000 updates a second of 1,000 custom objects for a minute; a reconcile reads the object and writes nothing."""

import time
from typing import Final

from bench.processes import peer_process, replay_server
from bench.rows.figures import of_report
from bench.rows.row import Figures, Medians, Row, Verdict, at_least, at_most, in_turns, ratio

OBJECTS: Final = 1_000
RATE: Final = 1_000
SECONDS: Final = 60
PATH: Final = "/apis/bench.example.com/v1/widgets"


def measure(peer: str, objects: int = OBJECTS, rate: float = RATE, seconds: float = SECONDS) -> Figures:
    """Run one peer once."""
    with (
        replay_server(f"--generate=widgets={objects}") as server,
        peer_process(peer, ["--workload=steady", f"--server={server.address}", f"--objects={objects}"]) as process,
    ):
        process.expect("ready")
        process.order("begin")
        before = server.statistics()
        server.control(f"steady?plural=widgets&rate={rate}&seconds={seconds}")
        time.sleep(seconds + 1)
        after = server.statistics()
        process.order("end")
        line = process.expect("result")
    served = after["collections"][PATH]
    spent_by_peer = line["result"]["cpu_seconds"]
    spent = after["cpu_seconds"] - before["cpu_seconds"]
    return {
        **of_report(line),
        "events sent": served["emitted"]["MODIFIED"],
        "lost": float(line["state"] != served["state"]),
        "CPU µs a reconcile": spent_by_peer / max(1, line["result"]["counts"].get("reconciles", 0)) * 1e6,
        "server's CPU share": spent / (after["now"] - before["now"]),
    }


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    less = ratio(found, "CPU µs a reconcile", "kopf", "kaito")  # kopf does not get through all of them
    return [
        at_most("p99 event to reconcile at most 50 ms", own.get("latency p99 ms"), 50, " ms"),
        at_least("at least 5 times less CPU a reconcile than kopf", less, 5, " times"),
        at_most("CPU at most twice Go's", ratio(found, "CPU s", "kaito", "go"), 2, " times"),
        at_most("the cache ends as the server's objects", own.get("lost"), 0),
    ]


ROW: Final = Row(
    "steady",
    f"{RATE:,} updates/s of {OBJECTS:,} custom objects of 1.2 KB for {SECONDS} s, no write",
    ("kaito", "go", "kopf"),
    in_turns(measure),
    verdicts,
)
