"""A controller for `kaito-controller`, beside its own: says what every Workspace asks for."""

from kaito.api import WORKSPACE
from kaito.controllers import ControllerOptions
from kaito.core import DONE, Controller, ControllerFactory, Key, Manager, Result


class Audit:
    def __init__(self, manager: Manager) -> None:
        self._cache = manager.cache

    async def reconcile(self, key: Key) -> Result:
        if (workspace := self._cache.get(WORKSPACE, key)) is not None:
            print(key, workspace.resource.instance_type)
        return DONE


def audit_controller(manager: Manager, options: ControllerOptions) -> Controller:
    return Controller("audit", Audit(manager)).watching(WORKSPACE)


factory: ControllerFactory[ControllerOptions] = audit_controller
