"""What an operator built on `kaito.core` is tested with."""

from kaito.testing.clock import VirtualClock

__all__ = ["VirtualClock"]
