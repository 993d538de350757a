"""The process around controllers."""

from kaito.core.manager.health import HealthServer
from kaito.core.manager.installed import ControllerFactory, add_installed, installed_controllers
from kaito.core.manager.manager import Manager

__all__ = ["ControllerFactory", "HealthServer", "Manager", "add_installed", "installed_controllers"]
