"""How much GPU memory a model takes, and so how many GPUs and nodes it needs.

The arithmetic is KAITO's own (its `nodesestimator`), so that the same manifest asks for the same nodes:
weights x 1.02; 84 % of each GPU is vLLM's; 2.3 GiB of that and the KV cache of one sequence are fixed; the weights'
share of a GPU takes 5 % more than its size.
"""

import math
from dataclasses import dataclass

from kaito.presets.registry import Preset
from kaito.presets.sku import GIB, Sku

GPU_MEMORY_UTILIZATION = 0.84
WEIGHT_MARGIN = 1.02
LOAD_MARGIN = 1.05
RUNTIME_BYTES = int(2.3 * GIB)
"""CUDA context, activations and CUDA graphs of one GPU."""

PLANNED_CONTEXT = 2048
"""Tokens of context that a plan must at least have room for."""

CONTEXT_STEP = 256
"""Context lengths that we choose are multiples of this: whole KV cache blocks, and a number that reads well."""

DATA_PARALLEL_SHARE = 0.5
"""A model below this share of one GPU is copied to each GPU of the node instead of being split over them."""


@dataclass(frozen=True)
class Estimate:
    """GPUs and nodes that a preset needs on a SKU. `usable` is the bytes of one GPU that weights can take; 0: none."""

    gpus: int
    nodes: int
    usable: int


@dataclass(frozen=True)
class Layout:
    """How the model is spread: tensor parallel within a node, pipeline parallel over nodes, or whole copies."""

    tensor: int
    pipeline: int
    data: int

    def __str__(self) -> str:
        if self.data > 1:
            return f"DP{self.data}"
        return f"TP{self.tensor}" + (f"xPP{self.pipeline}" if self.pipeline > 1 else "")


def _available(sku: Sku) -> float:
    return sku.gpu_memory_bytes * GPU_MEMORY_UTILIZATION


def estimate(preset: Preset, sku: Sku, context: int = PLANNED_CONTEXT) -> Estimate:
    """Return what `preset` needs on `sku` for sequences of `context` tokens; `nodes` is 0 when no number is enough."""
    fixed = RUNTIME_BYTES + context * preset.bytes_per_token / sku.gpus
    usable = (_available(sku) - fixed) / LOAD_MARGIN
    if usable <= 0:
        return Estimate(gpus=0, nodes=0, usable=0)
    gpus = math.floor(preset.weight_bytes * WEIGHT_MARGIN / usable) + 1
    return Estimate(gpus=gpus, nodes=math.ceil(gpus / sku.gpus), usable=int(usable))


def layout(preset: Preset, sku: Sku, nodes: int) -> Layout:
    """Return how `preset` is spread over `nodes` machines of `sku`."""
    if nodes > 1:
        return Layout(tensor=sku.gpus, pipeline=nodes, data=1)
    if sku.gpus > 1 and preset.weight_bytes < DATA_PARALLEL_SHARE * sku.gpu_memory_bytes:
        return Layout(tensor=1, pipeline=1, data=sku.gpus)
    return Layout(tensor=sku.gpus, pipeline=1, data=1)


@dataclass(frozen=True)
class MemorySplit:
    """Bytes of one GPU by what they are for. `kv_cache` is what is left of vLLM's share."""

    weights: int
    kv_cache: int
    runtime: int
    reserved: int

    @property
    def total(self) -> int:
        """The whole GPU."""
        return self.weights + self.kv_cache + self.runtime + self.reserved


def memory_split(preset: Preset, sku: Sku, spread: Layout) -> MemorySplit:
    """Return what the memory of each GPU is used for. `kv_cache` is at least 0."""
    shards = spread.tensor * spread.pipeline
    weights = int(preset.weight_bytes * WEIGHT_MARGIN * LOAD_MARGIN / shards)
    available = int(_available(sku))
    return MemorySplit(
        weights=weights,
        kv_cache=max(0, available - RUNTIME_BYTES - weights),
        runtime=RUNTIME_BYTES,
        reserved=sku.gpu_memory_bytes - available,
    )


def longest_context(preset: Preset, split: MemorySplit, spread: Layout) -> int:
    """Return the longest sequence in tokens that fits: the model's own limit, or a multiple of `CONTEXT_STEP`."""
    tokens = split.kv_cache * spread.tensor * spread.pipeline // preset.bytes_per_token
    if tokens >= preset.context_length:
        return preset.context_length
    return tokens // CONTEXT_STEP * CONTEXT_STEP


def lora_bytes(preset: Preset, rank: int) -> int:
    """Return bytes of one GPU that LoRA slots of a rank take: A and B of every linear layer, two bytes a number.

    vLLM fills every slot up to the rank, used or not. Split models are counted whole, since A is on each GPU. 0 where
    the preset takes no adapters.
    """
    if preset.lora is None:
        return 0
    shape = preset.shape
    hidden, inner = shape.hidden_size, shape.intermediate_size
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    attention = (hidden + queries) + 2 * (hidden + keys) + (queries + hidden)
    feed_forward = 3 * (hidden + inner)
    return preset.lora.slots * rank * shape.layers * (attention + feed_forward) * 2
