"""What stands before vLLM's application: sockets, probes, the admin port, the gate."""

from kaito.runtime.front.admin import AdminServer
from kaito.runtime.front.background import BackgroundLoop
from kaito.runtime.front.early import EarlyAnswers
from kaito.runtime.front.gate import Gate
from kaito.runtime.front.sockets import listen

__all__ = ["AdminServer", "BackgroundLoop", "EarlyAnswers", "Gate", "listen"]
