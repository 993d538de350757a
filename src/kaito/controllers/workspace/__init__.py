"""The Workspace controller: gather a snapshot, decide (pure), act.

`decide.py` lists the phases; each is a function in a file of `phases/`.
"""

from kaito.controllers.workspace.decide import ENDING, PHASES, Decision, decide
from kaito.controllers.workspace.reconciler import WorkspaceReconciler
from kaito.controllers.workspace.snapshot import Gatherer, Snapshot
from kaito.controllers.workspace.wiring import workspace_controller

__all__ = [
    "ENDING",
    "PHASES",
    "Decision",
    "Gatherer",
    "Snapshot",
    "WorkspaceReconciler",
    "decide",
    "workspace_controller",
]
