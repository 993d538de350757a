"""Runs a row and keeps what came out."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.rows.row import Row, Run


def measure(row: Row, peers: Sequence[str], rounds: int, output: Path) -> None:
    """Run a row; after each run, write all of it so far to `output`/ROW.json."""
    runs: list[Run] = []
    begin = time.monotonic()
    output.mkdir(parents=True, exist_ok=True)
    for run in row.run([peer for peer in row.peers if peer in peers], rounds):
        runs.append(run)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in run.figures.items())
        print(f"{row.name} round {run.round} {run.peer}: {shown}", flush=True)
        document = {
            "row": row.name,
            "rounds": rounds,
            "measured": run.round,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "took_seconds": round(time.monotonic() - begin),
            "runs": [asdict(run) for run in runs],
        }
        (output / f"{row.name}.json").write_text(json.dumps(document, indent=1) + "\n")
