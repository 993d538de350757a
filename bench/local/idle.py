"""What an idle cluster costs: requests by client and verb, writes, and CPU seconds of each process, over some time.

Run it while a Workspace is ready: .venv/bin/python bench/local/idle.py [--seconds 60] [--dir ~/.kaito].
Target: no write but Leases.
"""

import argparse
import json
import os
import time
from collections import Counter
from pathlib import Path

READS = {"get", "list", "watch"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--dir", type=Path, default=Path("~/.kaito").expanduser())
    options = parser.parse_args()
    audit = options.dir / "logs" / "audit.log"
    end_of_log, cpu = audit.stat().st_size, cpu_seconds(options.dir)
    time.sleep(options.seconds)
    with audit.open("rb") as log:
        log.seek(end_of_log)
        events = [json.loads(line) for line in log if line.endswith(b"\n")]
    counted = Counter((event["userAgent"].split()[0], event["verb"], resource(event)) for event in events)
    for (agent, verb, what), number in sorted(counted.items()):
        print(f"{number:5}  {agent:40} {verb:8} {what}")
    writes = sum(n for (_, verb, what), n in counted.items() if verb not in READS and what != "leases")
    print(f"writes but Leases in {options.seconds:.0f} s: {writes}")
    after = cpu_seconds(options.dir)
    for name in sorted(after.keys() & cpu.keys()):
        print(f"CPU of {name}: {(after[name] - cpu[name]) * 60 / options.seconds:.2f} s a minute")


def resource(event: dict[str, dict[str, str]]) -> str:
    return event.get("objectRef", {}).get("resource", "(no resource)")


def cpu_seconds(directory: Path) -> dict[str, float]:
    """Return user and system seconds of each process whose arguments name the cluster's directory."""
    ticks, found = os.sysconf("SC_CLK_TCK"), {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            arguments = (process / "cmdline").read_text().split("\0")
            times = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if any(str(directory) in argument for argument in arguments) and int(process.name) != os.getpid():
            program = next(a for a in arguments[1:] if "kaito" in a and not a.startswith("{"))
            found[f"{Path(program).name} ({process.name})"] = (int(times[11]) + int(times[12])) / ticks
    return found


if __name__ == "__main__":
    main()
