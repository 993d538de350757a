"""Makes adapters out of adapters: one with less effect, and one that has the effect of several together."""

from kaito.runtime.adapters.compose.combine import combined
from kaito.runtime.adapters.compose.strength import parse_strength, strengthened

__all__ = ["combined", "parse_strength", "strengthened"]
