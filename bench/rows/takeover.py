"""A leader is killed, or stopped for a while: how long until the other replica writes, and never two at once."""

import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from bench.processes import ReplayServer, peer_process, replay_server
from bench.rows.row import Figures, Medians, Row, Run, Verdict, at_most

LEASE_SECONDS: Final = 15.0
PATIENCE: Final = 90.0
AFTERWARDS: Final = 3.0
"""How long a leader that was stopped may run again, to see that it does not write."""


def fail_over(peer: str, *, watched: bool = True, number: int = signal.SIGKILL) -> tuple[float, bool]:
    """Take the leader away by a signal; returns the seconds to the other's first write, and whether both wrote."""
    with (
        replay_server("--generate=configmaps=1", *([] if watched else ["--no-lease-watches"])) as server,
        peer_process(peer, ["--workload=lead", f"--server={server.address}", "--name=first"]) as first,
    ):
        _writes(server, "first")
        with peer_process(peer, ["--workload=lead", f"--server={server.address}", "--name=second"]) as second:
            second.expect("ready")
            time.sleep(2.5)  # it has seen the Lease and its next renewal
            taken = time.time()
            first.signal(number)
            seconds = _writes(server, "second")["first"] - taken
            if number == signal.SIGSTOP:
                first.signal(signal.SIGCONT)
                time.sleep(AFTERWARDS)
            writers = [writer["name"] for writer in server.statistics()["writers"]]
            return seconds, writers != ["first", "second"]


def _writes(server: ReplayServer, name: str) -> dict[str, Any]:
    """Return the stretch of writes by `name`, once there is one. RuntimeError when there is none for long."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for writer in server.statistics()["writers"]:
            if writer["name"] == name:
                found: dict[str, Any] = writer
                return found
        time.sleep(0.05)
    raise RuntimeError(f"replica {name!r} has not written within {PATIENCE:.0f} s")


def run(peers: Sequence[str], rounds: int) -> Iterator[Run]:
    """Let all kinds of fail-over wait for their Leases at the same time."""
    with ThreadPoolExecutor() as pool:
        for number in range(1, rounds + 1):
            watched = pool.submit(fail_over, "kaito")
            polled = pool.submit(fail_over, "kaito", watched=False)
            stopped = pool.submit(fail_over, "kaito", number=signal.SIGSTOP)
            go = pool.submit(fail_over, "go") if "go" in peers else None
            runs = {"Lease watched": watched, "Lease polled": polled, "leader stopped, Lease watched": stopped}
            figures: Figures = {f"takeover s, {what}": done.result()[0] for what, done in runs.items()}
            figures["two writers"] = float(any(done.result()[1] for done in runs.values()))
            yield Run("kaito", number, figures)
            if go is not None:
                seconds, both = go.result()
                yield Run("go", number, {"takeover s, Lease polled": seconds, "two writers": float(both)})


def verdicts(found: Medians) -> list[Verdict]:
    """Compare with the targets."""
    own = found.get("kaito", {})
    return [
        at_most("Lease watched: at most lease + 2 s", own.get("takeover s, Lease watched"), LEASE_SECONDS + 2, " s"),
        at_most("Lease polled: at most lease + 8.8 s", own.get("takeover s, Lease polled"), LEASE_SECONDS + 8.8, " s"),
        at_most("never two writers", own.get("two writers"), 0),
    ]


ROW: Final = Row(
    "takeover",
    f"leader loss to takeover, Lease of {LEASE_SECONDS:.0f} s: the leader killed, or stopped until the other one leads",
    ("kaito", "go"),
    run,
    verdicts,
)
