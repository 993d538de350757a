"""`python -m kaito.local.supervisor`: the detached process behind `kaito up`."""

import argparse
import asyncio
import sys

import msgspec

from kaito.core.logs import configure_logging
from kaito.local.supervisor.settings import SupervisorSettings
from kaito.local.supervisor.steps import StepFile
from kaito.local.supervisor.supervisor import supervise


def main() -> None:
    """Run a supervisor until SIGTERM or SIGINT; exit 1 when the start fails."""
    parser = argparse.ArgumentParser(
        prog="python -m kaito.local.supervisor",
        description="Example: kaito up --dir ~/.kaito (starts this program in the background)",
    )
    parser.add_argument("--settings", required=True, help="SupervisorSettings as JSON; `kaito up` writes them")
    parser.add_argument("--log-level", default="info")
    arguments = parser.parse_args()
    configure_logging(arguments.log_level)
    settings = msgspec.json.decode(arguments.settings, type=SupervisorSettings)
    sys.exit(asyncio.run(supervise(settings, StepFile(settings.paths.progress))))


if __name__ == "__main__":
    main()
