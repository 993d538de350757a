"""The plan: what will be bought and how the model will run on it, decided before anything is."""

from dataclasses import dataclass

from kaito.core.errors import KaitoError
from kaito.presets.estimator import (
    GPU_MEMORY_UTILIZATION,
    PLANNED_CONTEXT,
    Estimate,
    Layout,
    MemorySplit,
    estimate,
    layout,
    longest_context,
    memory_split,
)
from kaito.presets.registry import Dtype, Preset, PresetRegistry
from kaito.presets.sku import GIB, Sku, SkuCatalogue


@dataclass(frozen=True)
class Plan:
    """A preset on a SKU: nodes, layout, memory of each GPU, the context that fits and the precision."""

    preset: Preset
    sku: Sku
    nodes: int
    spread: Layout
    memory: MemorySplit
    max_model_len: int
    dtype: Dtype

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know before buying: a shortened context, another precision, a retired size."""
        found = []
        if self.max_model_len < self.preset.context_length:
            found.append(
                f"context shortened from {self.preset.context_length} to {self.max_model_len} tokens, "
                f"what {gib(self.memory.kv_cache)} of KV cache per GPU hold"
            )
        if self.dtype != self.preset.dtype:
            found.append(f"{self.dtype} instead of {self.preset.dtype}, which {self.sku.model} lacks")
        if self.sku.retired:
            found.append(f"{self.sku.name} is retired by its cloud, successor {self.sku.successor}")
        return tuple(found)


def gib(size: int) -> str:
    """Return `size` bytes in GiB with one decimal, as `kubectl` users read them."""
    return f"{size / GIB:.1f}Gi"


def make_plan(preset_name: str, sku_name: str, presets: PresetRegistry, skus: SkuCatalogue) -> Plan:
    """Return the plan for a preset on a SKU.

    Raises terminal errors: `UnknownPreset` and `UnknownSKU` with the three closest names, `PresetDoesNotFit` with the
    numbers.
    """
    preset = presets.find(preset_name)
    sku = skus.find(sku_name)
    need = estimate(preset, sku)
    if need.nodes != 1:
        raise _does_not_fit(preset, sku, need, skus)
    spread = layout(preset, sku, need.nodes)
    split = memory_split(preset, sku, spread)
    return Plan(
        preset=preset,
        sku=sku,
        nodes=need.nodes,
        spread=spread,
        memory=split,
        max_model_len=longest_context(preset, split, spread),
        dtype="float16" if preset.dtype == "bfloat16" and not sku.has_bfloat16 else preset.dtype,
    )


def _does_not_fit(preset: Preset, sku: Sku, need: Estimate, skus: SkuCatalogue) -> KaitoError:
    enough = [other for other in skus if not other.retired and estimate(preset, other).nodes == 1]
    smallest = sorted(enough, key=lambda other: (other.gpus * other.gpu_memory, other.memory, other.name))[:3]
    shortfall = (
        f"it would take {need.nodes} nodes, and a preset is served from one"
        if need.nodes
        else f"one sequence of {PLANNED_CONTEXT} tokens and the runtime already take more than that"
    )
    gpus = f"{sku.gpus} GPU{'s' if sku.gpus > 1 else ''} of {sku.gpu_memory}Gi"
    return KaitoError(
        "PresetDoesNotFit",
        f"preset {preset.name} has {gib(preset.weight_bytes)} of weights; {sku.name} has {gpus}, of which weights can "
        f"take {gib(need.usable)} each (vLLM uses {GPU_MEMORY_UTILIZATION:.0%}, and needs room for the KV cache): "
        f"{shortfall}.",
        terminal=True,
        remedy=f"Sizes that fit: {', '.join(other.name for other in smallest)}." if smallest else "",
    )
