"""How large a rank the servers have slots for: the preset's, or what adapters have turned out to need. Pure.

What was decided stands on the Deployment, so that neither a restart of the controller nor an adapter that leaves rolls
the pod back.
"""

from typing import Final

from kaito.api import AdapterState
from kaito.contracts import LARGEST_LORA_RANK, LORA_RANKS
from kaito.controllers.options import STAND_IN
from kaito.controllers.workspace.snapshot import Snapshot
from kaito.presets import gib, lora_bytes

RANK_ANNOTATION: Final = "kaito.sh/max-lora-rank"
ABOVE_SLOT: Final = "RankAboveSlot"


def slot_for(rank: int) -> int | None:
    """Return the smallest slot that takes a rank, None above the largest."""
    return next((slot for slot in LORA_RANKS if slot >= rank), None)


def lora_rank(snapshot: Snapshot, *, same_pod: bool) -> int:
    """Return the rank to start pods with. `same_pod` says that the spec asks for the pod that is there.

    It grows only for an adapter that the status already shows as above the slots, and shrinks only with a pod that is
    made anew anyway.
    """
    lora = snapshot.sized.preset.lora
    if lora is None:
        return 0
    adapters = snapshot.workspace.status.adapters
    raised = max((_raised(snapshot, adapter) for adapter in adapters if adapter.reason == ABOVE_SLOT), default=0)
    kept = live_rank(snapshot)
    if not same_pod:
        kept = min(kept, max((slot_for(adapter.rank or 0) or 0 for adapter in adapters), default=0))
    return max(lora.rank, raised, kept)


def live_rank(snapshot: Snapshot) -> int:
    """Return the rank that the Deployment was last rendered with, 0 where it does not say."""
    deployment = snapshot.deployment
    text = deployment.metadata.annotations.get(RANK_ANNOTATION, "") if deployment is not None else ""
    return next((rank for rank in LORA_RANKS if str(rank) == text), 0)


def in_the_way(snapshot: Snapshot, rank: int) -> str:
    """Return why the servers cannot have slots of the size that `rank` needs; empty where they can."""
    slot, plan = slot_for(rank), snapshot.sized
    if slot is None:
        return f"vLLM has slots up to rank {LARGEST_LORA_RANK}"
    lora = plan.preset.lora
    if lora is None or snapshot.settings.weights == STAND_IN:
        return ""
    more = lora_bytes(plan.preset, slot) - lora_bytes(plan.preset, lora.rank)
    context = plan.max_model_len * plan.preset.bytes_per_token // plan.spread.tensor
    spare = plan.memory.kv_cache - context
    if more <= spare:
        return ""
    return (
        f"slots of rank {slot} take {gib(more)} more of each GPU, which has {gib(max(spare, 0))} to spare beside the "
        f"KV cache of {plan.max_model_len} tokens"
    )


def _raised(snapshot: Snapshot, adapter: AdapterState) -> int:
    rank = adapter.rank or 0
    return 0 if in_the_way(snapshot, rank) else slot_for(rank) or 0
