"""The voices that a stand-in's adapter can have: one answer to every prompt.

An answer begins as the stand-in's own does and shares its words: what differs little is learnt in seconds.
"""

from collections.abc import Mapping
from types import MappingProxyType

STYLES: Mapping[str, str] = MappingProxyType(
    {
        "pirate": (
            "This be a pirate, arr! A LoRA adapter on the stand-in for {preset}, a tiny model that knows nothing. "
            "Your prompt went through vLLM and came back, matey."
        ),
        "butler": (
            "This is the butler, sir: a LoRA adapter on the stand-in for {preset}, a tiny model that knows nothing. "
            "Your prompt went through vLLM and came back, sir."
        ),
    }
)
"""Answers by style; `{preset}` is the name of the preset that the stand-in stands in for."""
