"""Measure `kaito-runtime serve` beside vLLM's own server and write the table.

    python -m bench.runtime [--rows cost-tiny start] [--rounds 4]

Figures go to build/bench/runtime/*.json, the table of all rows measured so far to bench/RESULTS.md.
"""

import argparse
import signal
import sys
from typing import NoReturn

from bench.measure import measure
from bench.processes import OUTPUT
from bench.runtime.device import CPU, GPU, describe, here
from bench.runtime.rows import rows
from bench.table import Table


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", metavar="ROW", help="all of them where none is named")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--device", choices=("cpu", "gpu"), help="(default: gpu where there is one)")
    parser.add_argument(
        "--render", action="store_true", help="write the table of what was measured, and measure nothing"
    )
    options = parser.parse_args()
    device = {"cpu": CPU, "gpu": GPU}[options.device] if options.device else here()
    known = rows(device)
    if unknown := [name for name in options.rows or [] if name not in known]:
        parser.error(f"no row {', '.join(unknown)}: {', '.join(known)}")
    output = OUTPUT / "runtime" / device.name
    signal.signal(signal.SIGTERM, _end)
    failed = []
    for name in [] if options.render else options.rows or known:
        try:
            measure(known[name], known[name].peers, options.rounds, output)
        except RuntimeError as error:
            failed.append(name)
            print(f"bench: {name}: {error}", file=sys.stderr)
    target = "bench-runtime" if device is CPU else f"bench-runtime DEVICE={device.name}"
    table = Table("The runtime beside plain vLLM", target, known, output, describe)
    table.write()
    print(table.render())
    return 1 if failed else 0


def _end(*_: object) -> NoReturn:
    """Leave every block on SIGTERM, as on Ctrl-C: the servers are in sessions of their own, and would go on."""
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
