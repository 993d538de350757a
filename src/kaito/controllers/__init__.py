"""The controllers of kaito's own kinds. `kaito-controller` finds them through the entry points `kaito.reconcilers`."""

from kaito.controllers.options import ControllerOptions, Settings, parse_options
from kaito.controllers.workspace.wiring import workspace_controller

__all__ = ["ControllerOptions", "Settings", "parse_options", "workspace_controller"]
