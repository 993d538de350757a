"""How much room for adapters the engine is started with, where no flag says it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from kaito.contracts import LARGEST_LORA_RANK, LORA_RANKS

USUAL_RANK = 64
"""Rank of the slots when no adapter found needs more. PEFT's examples and most published adapters have 8 to 64, and a
higher one needs a restart; a slot of this rank takes about 2 % of the weights of a model of 7B or more."""

FEWEST_SLOTS = 4
"""Adapters in one batch at least: those that come later find room, and a swap needs one for the old version."""

MOST_SLOTS = 16
"""Adapters in one batch at most: each slot takes memory from the KV cache whether it is used or not."""

CPU_SLOTS = 32
"""Adapters that main memory holds at least. Only what is loaded takes memory; what is not there is read again."""


@dataclass(frozen=True)
class LoraSize:
    """Values of `--max-lora-rank`, `--max-loras` and `--max-cpu-loras`."""

    rank: int
    slots: int
    cpu_slots: int


def slot_rank(rank: int) -> int:
    """Return the smallest rank of a slot that an adapter of `rank` fits into; the largest there is for all above."""
    return next((allowed for allowed in LORA_RANKS if allowed >= rank), LARGEST_LORA_RANK)


def lora_size(ranks: Sequence[int], *, together: bool) -> LoraSize:
    """Return the room for adapters of these ranks and some more; with `together` for the sum of them all too."""
    needed = max((*ranks, sum(ranks) if together else 0, USUAL_RANK))
    slots = min(max(len(ranks) + (2 if together and len(ranks) > 1 else 1), FEWEST_SLOTS), MOST_SLOTS)
    return LoraSize(slot_rank(needed), slots, max(CPU_SLOTS, 2 * slots))
