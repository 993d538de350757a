"""No-op resync: 10,000 primary and 10,000 owned ConfigMaps cached, every primary queued again; nothing is to do."""

from typing import Final

from bench.processes import peer_process, replay_server
from bench.rows.figures import of_report
from bench.rows.row import Figures, Medians, Row, Verdict, at_least, at_most, in_turns, ratio

OBJECTS: Final = 10_000


def measure(peer: str, objects: int = OBJECTS) -> Figures:
    """Run one peer once."""
    with (
        replay_server(f"--generate=configmaps={objects}", f"--generate=derived={objects}") as server,
        peer_process(peer, ["--workload=noop", f"--server={server.address}", f"--objects={objects}"]) as process,
    ):
        process.expect("ready")
        before = sum(server.statistics()["requests"].values())
        process.order("begin")
        process.expect("done")
        requests = sum(server.statistics()["requests"].values()) - before
        process.order("end")
        line = process.expect("result")
    found = of_report(line)
    wall = line["result"]["wall_seconds"]
    spent = line["result"]["cpu_seconds"]
    rates = {"reconciles/s": objects / wall, "reconciles a CPU second": objects / spent}
    return {**rates, "wall s": wall, **found, "requests": requests}


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    return [
        at_least("at least 15,000 reconciles/s", own.get("reconciles/s"), 15_000, "/s"),
        at_most("CPU at most Go's", ratio(found, "CPU s", "kaito", "go"), 1, " times"),
        at_most("no request", own.get("requests"), 0),
    ]


ROW: Final = Row(
    "noop",
    f"no-op resync of {OBJECTS:,} objects; a reconcile is two cache reads, a sha256 of 2 KiB and three comparisons",
    ("kaito", "go"),
    in_turns(measure),
    verdicts,
)
