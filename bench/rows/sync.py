"""Cold sync: from the first request until every Pod of 10 KB has been reconciled once."""

from collections.abc import Callable
from typing import Final

from bench.processes import peer_process, replay_server
from bench.rows.figures import of_report
from bench.rows.row import Figures, Medians, Row, Verdict, at_most, in_turns


def measuring(objects: int, *arguments: str) -> Callable[[str], Figures]:
    """Return what runs one peer once on so many Pods."""

    def measure(peer: str) -> Figures:
        with (
            replay_server(f"--generate=pods={objects}", *arguments) as server,
            peer_process(peer, ["--workload=sync", f"--server={server.address}", f"--objects={objects}"]) as process,
        ):
            process.expect("ready")
            process.order("begin")
            process.expect("done")
            process.order("end")
            line = process.expect("result")
            served = server.statistics()
        resident = line["result"]["rss_mib"]
        return {
            "wall s": line["result"]["wall_seconds"],
            **{name: value for name, value in of_report(line).items() if not name.startswith("latency")},
            "KiB an object": (resident["after_gc"] - resident["before"]) * 1024 / objects,
            "lost": float(line["state"] != served["collections"]["/api/v1/pods"]["state"]),
            "server's CPU s": served["cpu_seconds"],
        }

    return measure


def judging(pause: float) -> Callable[[Medians], list[Verdict]]:
    """Return what compares with the targets; `pause` is the longest collection allowed, in milliseconds."""

    def verdicts(found: Medians) -> list[Verdict]:
        own = found.get("kaito", {})
        own_rss, go_rss = own.get("RSS MiB"), found.get("go", {}).get("RSS MiB")
        less = None if own_rss is None or go_rss is None else own_rss / go_rss
        return [
            at_most("at most 9 KiB a cached Pod", own.get("KiB an object"), 9, " KiB"),
            at_most("RSS below Go's before its GC", less, 1, " times"),
            at_most(f"longest GC pause at most {pause:g} ms", own.get("GC pause max ms"), pause, " ms"),
            at_most("event loop never blocked for more than 50 ms", own.get("loop lag max ms"), 50, " ms"),
            at_most("the cache ends as the server's objects", own.get("lost"), 0),
        ]

    return verdicts


def _row(name: str, objects: int, peers: tuple[str, ...], pause: float) -> Row:
    title = f"cold sync of {objects:,} Pods of 10 KB, to every one reconciled once"
    return Row(name, title, peers, in_turns(measuring(objects)), judging(pause))


SMALL: Final = _row("sync-1k", 1_000, ("kaito", "go", "kopf"), 50)
MIDDLE: Final = _row("sync-10k", 10_000, ("kaito", "go", "kopf"), 50)
LARGE: Final = _row("sync-100k", 100_000, ("kaito", "go"), 100)
"""kopf needs some minutes and about ten gigabytes for these."""
