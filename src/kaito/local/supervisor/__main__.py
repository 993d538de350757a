"""`python -m kaito.local.supervisor`: the detached process behind `kaito up`."""

import argparse
import asyncio
import signal
import sys

import msgspec
import structlog

from kaito.core.clock import SystemClock
from kaito.core.errors import KaitoError
from kaito.core.logs import configure_logging
from kaito.local.supervisor.settings import SupervisorSettings
from kaito.local.supervisor.steps import StepFile, StepReporter
from kaito.local.supervisor.supervisor import Supervisor, hold


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


async def supervise(settings: SupervisorSettings, report: StepReporter) -> int:
    """Hold the folder and run its cluster until a signal; return the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    try:
        async with hold(settings):
            await Supervisor(settings, report, SystemClock()).run(stop)
    except KaitoError as error:
        structlog.get_logger().error("the cluster did not start", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    main()
