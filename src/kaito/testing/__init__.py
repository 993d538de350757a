"""What an operator built on `kaito.core` is tested with."""

from kaito.testing.clock import VirtualClock
from kaito.testing.faults import CUTS, KILLS, REFUSALS, Fault, FaultyTransport, Luck, Misfortune
from kaito.testing.leaks import LeakError, no_leaks
from kaito.testing.loop import LoopClock, VirtualTimeLoop, run
from kaito.testing.server import InProcessServer

__all__ = [
    "CUTS",
    "KILLS",
    "REFUSALS",
    "Fault",
    "FaultyTransport",
    "InProcessServer",
    "LeakError",
    "LoopClock",
    "Luck",
    "Misfortune",
    "VirtualClock",
    "VirtualTimeLoop",
    "no_leaks",
    "run",
]
