"""Measure `kaito.core` beside its peers and write the table.

    python -m bench [--rows bulk noop] [--rounds 5]

Figures go to build/bench/*.json, the table of all rows measured so far to bench/RESULTS.md.
"""

import argparse
import shutil
import subprocess
import sys
from importlib.util import find_spec

from bench import table
from bench.measure import measure
from bench.processes import GO_PEER, OUTPUT, PEERS, ROOT
from bench.rows import ROWS


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
            measure(ROWS[name], peers, options.rounds, OUTPUT)
        except RuntimeError as error:
            failed.append(name)
            print(f"bench: {name}: {error}", file=sys.stderr)
    table.CORE.write()
    print(table.CORE.render())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
