"""One process over a local cluster: starts it in order, restarts what crashes, ends it without a trace."""

from kaito.local.supervisor.launch import Running, find_running, launch, prepare
from kaito.local.supervisor.settings import SupervisorSettings, read_state
from kaito.local.supervisor.shutdown import shut_down
from kaito.local.supervisor.steps import Step, StepState
from kaito.local.supervisor.supervisor import supervise

__all__ = [
    "Running",
    "Step",
    "StepState",
    "SupervisorSettings",
    "find_running",
    "launch",
    "prepare",
    "read_state",
    "shut_down",
    "supervise",
]
