"""Models and machines: the preset registry, the SKU catalogue, the memory estimator and the plan. Pure."""

from kaito.presets.estimator import (
    GPU_MEMORY_UTILIZATION,
    Estimate,
    Layout,
    MemorySplit,
    estimate,
    layout,
    longest_context,
    lora_bytes,
    memory_split,
)
from kaito.presets.nearest import nearest
from kaito.presets.plan import Plan, gib, make_plan
from kaito.presets.registry import Dtype, Lora, Preset, PresetRegistry, Shape, load_presets, parse_presets
from kaito.presets.sku import Sku, SkuCatalogue, load_skus, parse_skus

__all__ = [
    "GPU_MEMORY_UTILIZATION",
    "Dtype",
    "Estimate",
    "Layout",
    "Lora",
    "MemorySplit",
    "Plan",
    "Preset",
    "PresetRegistry",
    "Shape",
    "Sku",
    "SkuCatalogue",
    "estimate",
    "gib",
    "layout",
    "load_presets",
    "load_skus",
    "longest_context",
    "lora_bytes",
    "make_plan",
    "memory_split",
    "nearest",
    "parse_presets",
    "parse_skus",
]
