"""Measure `kaito.core` beside its peers and write the table.

    python -m bench [--rows bulk noop] [--rounds 5]

Figures go to build/bench/*.json, the table of all rows measured so far to bench/RESULTS.md.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from importlib.util import find_spec

from bench import table
from bench.processes import GO_PEER, OUTPUT, PEERS, ROOT
from bench.rows import ROWS
from bench.rows.row import Row, Run


def available() -> tuple[str, ...]:
    """Return the peers that can run here, and say why others cannot. Builds the Go peer."""
    missing: dict[str, str] = {}
    if find_spec("kopf") is None:
        missing["kopf"] = "it is not installed (`hack/uv sync --group bench`)"
    if (go := shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")) is None:
        missing["go"] = "there is no Go here"
    else:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        built = subprocess.run([go, "build", "-o", GO_PEER, "."], cwd=ROOT / "bench" / "peers" / "go", check=False)
        if built.returncode != 0:
            missing["go"] = "it could not be built"
    for peer, why in missing.items():
        print(f"bench: without {peer}: {why}", file=sys.stderr)
    return tuple(peer for peer in PEERS if peer not in missing)


def measure(row: Row, peers: tuple[str, ...], rounds: int) -> None:
    """Run a row and keep what came out, after each run."""
    runs: list[Run] = []
    begin = time.monotonic()
    for run in row.run([peer for peer in row.peers if peer in peers], rounds):
        runs.append(run)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in run.figures.items())
        print(f"{row.name} round {run.round} {run.peer}: {shown}", flush=True)
        document = {
            "row": row.name,
            "rounds": run.round,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "took_seconds": round(time.monotonic() - begin),
            "runs": [asdict(run) for run in runs],
        }
        (OUTPUT / f"{row.name}.json").write_text(json.dumps(document, indent=1) + "\n")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", choices=list(ROWS), default=list(ROWS), metavar="ROW", help=str([*ROWS]))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    options = parser.parse_args()
    peers = tuple(peer for peer in available() if peer in options.peers)
    failed = []
    for name in options.rows or ROWS:
        try:
            measure(ROWS[name], peers, options.rounds)
        except RuntimeError as error:
            failed.append(name)
            print(f"bench: {name}: {error}", file=sys.stderr)
    table.write()
    print(table.render())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
