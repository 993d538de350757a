"""Relist storm: 10,000 objects; again and again some change unseen, and every watch is answered 410."""

import time
from typing import Final

from bench.processes import ReplayServer, peer_process, replay_server
from bench.rows.figures import of_report
from bench.rows.row import Figures, Medians, Row, Verdict, at_most, in_turns

OBJECTS: Final = 10_000
STORMS: Final = 5
CHANGES: Final = 100
"""So many objects changed, so many deleted, so many added in each storm."""
PATH: Final = "/apis/bench.example.com/v1/widgets"
SETTLE_SECONDS: Final = 4.0
"""A watch is open when a streamed list begins; it takes a while to read."""


def measure(peer: str, objects: int = OBJECTS, storms: int = STORMS, changes: int = CHANGES) -> Figures:
    """Run one peer once."""
    with (
        replay_server(f"--generate=widgets={objects}") as server,
        peer_process(peer, ["--workload=storm", f"--server={server.address}", f"--objects={objects}"]) as process,
    ):
        process.expect("ready")
        _watched(server)
        process.order("begin")
        for _ in range(storms):
            server.control(f"storm?changes={changes}")
            _watched(server)
            time.sleep(SETTLE_SECONDS)
        served = server.statistics()
        process.order("end")
        line = process.expect("result")
    seen, emitted = line["result"]["counts"], served["collections"][PATH]["emitted"]
    differing = sum(abs(seen.get(kind, 0) - emitted[kind]) for kind in ("ADDED", "MODIFIED", "DELETED"))
    return {
        **{name: value for name, value in of_report(line).items() if not name.startswith("latency")},
        "changes made": sum(emitted.values()),
        "changes seen": sum(seen.get(kind, 0) for kind in ("ADDED", "MODIFIED", "DELETED")),
        "changes lost or too many": differing,
        "state wrong": float(line["state"] != served["collections"][PATH]["state"]),
        "lists": sum(n for request, n in served["requests"].items() if request == f"LIST {PATH}"),
        "watches": sum(n for request, n in served["requests"].items() if request == f"WATCH {PATH}"),
    }


def _watched(server: ReplayServer) -> None:
    """Return when the objects are watched again."""
    deadline = time.monotonic() + 120
    while server.statistics()["collections"][PATH]["watches"] == 0:
        if time.monotonic() > deadline:
            raise RuntimeError("nobody watches any more")
        time.sleep(0.1)


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    return [
        at_most("handlers see every real difference once and nothing else", own.get("changes lost or too many"), 0),
        at_most("the cache ends as the server's objects", own.get("state wrong"), 0),
    ]


ROW: Final = Row(
    "storm",
    f"relist storm: {STORMS} times {3 * CHANGES} of {OBJECTS:,} objects change unseen and every watch gets 410",
    ("kaito", "go"),
    in_turns(measure),
    verdicts,
)
