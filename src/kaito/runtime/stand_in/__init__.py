"""Stand-in weights: a tiny model of a preset's own architecture, made on the spot, that says what it is.

It lets the whole path (weights on disk, vLLM, adapters, `/chat`) run for real on a machine without a GPU or the hub.
"""

from kaito.runtime.stand_in.adapter import make_adapter
from kaito.runtime.stand_in.make import make_stand_in

__all__ = ["make_adapter", "make_stand_in"]
