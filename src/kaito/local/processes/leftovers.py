"""Ends what a crashed supervisor, machine room or node left running."""

import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from kaito.local.processes.identity import ProcessIdentity
from kaito.local.processes.record import Records

POLL_SECONDS = 0.05


def end_leftovers(
    records: Records,
    nodes: Path,
    *,
    grace_seconds: float = 20.0,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """End every recorded process that still runs, then every container of `nodes`; return their names.

    Each gets SIGTERM and `grace_seconds`, then SIGKILL. Only processes whose pid and start time match are touched.
    """
    recorded = {record.name: record.identity for record in records.all()}
    ended = end_all(recorded, grace_seconds, sleep)
    for name in recorded:
        records.remove(name)
    return ended + end_all(dict(containers(nodes)), grace_seconds, sleep)


def end_all(processes: dict[str, ProcessIdentity], grace_seconds: float, sleep: Callable[[float], None]) -> list[str]:
    """End processes together; return the names of those that were running."""
    alive = {name: process for name, process in processes.items() if process.send(signal.SIGTERM)}
    waited = 0.0
    while waited < grace_seconds and any(process.alive() for process in alive.values()):
        sleep(POLL_SECONDS)
        waited += POLL_SECONDS
    for process in alive.values():
        process.send(signal.SIGKILL)
    return sorted(alive)


def containers(nodes: Path) -> Iterable[tuple[str, ProcessIdentity]]:
    """Return the running containers below `nodes`: their shims, or the programs of shims that died.

    A shim records itself in its attempt's `state.json` (`kaito.local.node.shim`).
    """
    if not nodes.is_dir():
        return
    for path in sorted(nodes.rglob("state.json")):
        state = _read(path)
        for pid, start in (("shimPid", "shimStart"), ("pid", "start")):
            process = ProcessIdentity(int(state.get(pid) or 0), int(state.get(start) or 0))
            if process.pid > 1 and process.alive():
                yield str(path.parent.relative_to(nodes)), process
                break


def _read(path: Path) -> dict[str, Any]:
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return document if isinstance(document, dict) else {}
