"""What runs on the GPU: vLLM's server in this process with KAITO's routes, its status, and stand-in weights.

Imports nothing of the control plane; both sides meet in `kaito.contracts`. Importing this package is cheap: torch and
vLLM are imported only by what serves or trains.
"""

from kaito.runtime.failure import FatalError

__all__ = ["FatalError"]
