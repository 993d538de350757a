"""The process around controllers."""

from kaito.core.manager.health import HealthServer
from kaito.core.manager.manager import Manager

__all__ = ["HealthServer", "Manager"]
