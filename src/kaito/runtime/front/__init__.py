"""What stands before vLLM's application: sockets, probes, the admin port, the gate."""

from kaito.runtime.front.admin import AdminServer
from kaito.runtime.front.admission import EngineLoad, Limits
from kaito.runtime.front.background import BackgroundLoop
from kaito.runtime.front.early import EarlyAnswers
from kaito.runtime.front.gate import Gate, Rules
from kaito.runtime.front.keys import KeyRing
from kaito.runtime.front.sockets import listen

__all__ = [
    "AdminServer",
    "BackgroundLoop",
    "EarlyAnswers",
    "EngineLoad",
    "Gate",
    "KeyRing",
    "Limits",
    "Rules",
    "listen",
]
