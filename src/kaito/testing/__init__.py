"""What an operator built on `kaito.core` is tested with."""

from kaito.testing.clock import VirtualClock
from kaito.testing.disturbance import Asked, Disturbance, Trouble
from kaito.testing.faults import CUTS, KILLS, REFUSALS, Fault, FaultyTransport, Luck, Misfortune
from kaito.testing.leaks import LeakError, no_leaks
from kaito.testing.loop import LoopClock, VirtualTimeLoop, run, virtual_time
from kaito.testing.server import InProcessServer

__all__ = [
    "CUTS",
    "KILLS",
    "REFUSALS",
    "Asked",
    "Disturbance",
    "Fault",
    "FaultyTransport",
    "InProcessServer",
    "LeakError",
    "LoopClock",
    "Luck",
    "Misfortune",
    "Trouble",
    "VirtualClock",
    "VirtualTimeLoop",
    "no_leaks",
    "run",
    "virtual_time",
]
