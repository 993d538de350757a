"""The process around controllers."""

from kaito.core.manager.installed import ControllerFactory, add_installed, installed_controllers
from kaito.core.manager.manager import Manager
from kaito.core.manager.serving import Serving

__all__ = ["ControllerFactory", "Manager", "Serving", "add_installed", "installed_controllers"]
