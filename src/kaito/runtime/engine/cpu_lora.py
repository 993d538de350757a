"""vLLM's LoRA kernels for CPUs, corrected: the base model's requests stay the base model's, and a batch costs less.

vLLM marks the rows of a batch that have no adapter by the slot -1. Its kernels for GPUs pass such rows over; those for
CPUs (0.32) take -1 as Python does, for the last slot, so that the base answers with the effect of the adapter that is
there or was there last. vLLM's pull request 48421 describes the same. They also copy an adapter's weights once for each
row, for a prompt of 500 tokens 500 times, where one product with all rows of the adapter does. `plugin` has them
corrected in each of vLLM's processes: they run in another one than the HTTP server.
"""

from functools import lru_cache
from types import ModuleType
from typing import Any


def register() -> None:
    """Correct the kernels where they are used. Does nothing where vLLM runs on another device."""
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        from vllm.lora.ops.torch_ops import lora_ops
        from vllm.lora.punica_wrapper import punica_cpu

        correct(lora_ops, punica_cpu)


def correct(*modules: ModuleType) -> None:
    """Replace the kernels in these modules. Those for prompts (`sgmv_…`) call them too."""
    for module in modules:
        for kernel in (bgmv_shrink, bgmv_expand, bgmv_expand_slice):
            setattr(module, kernel.__name__, kernel)


# The parameters' names are vLLM's, which may pass them by name.


def bgmv_shrink(
    inputs: Any, lora_b_weights: Any, output_tensor: Any, lora_indices_tensor: Any, scaling: float = 1.0
) -> None:
    """Write `scaling` times inputs [rows, in] by the weights [slots, 1, rank, in] of each row's slot to the output."""
    product = _product(inputs, lora_b_weights, output_tensor, lora_indices_tensor)
    output_tensor[:, : lora_b_weights.shape[-2]] = 0 if product is None else product * scaling


def bgmv_expand(
    inputs: Any, lora_b_weights: Any, output_tensor: Any, lora_indices_tensor: Any, add_inputs: bool = True
) -> None:
    """Add inputs [rows, rank] by the weights [slots, 1, out, rank] of each row's slot to the output.

    Adapter and model may be padded to different widths: what both have counts.
    """
    width = min(lora_b_weights.shape[-2], output_tensor.shape[1])
    weights = lora_b_weights[..., :width, :]
    bgmv_expand_slice(inputs, weights, output_tensor, lora_indices_tensor, 0, width, add_inputs)


def bgmv_expand_slice(
    inputs: Any,
    lora_b_weights: Any,
    output_tensor: Any,
    lora_indices_tensor: Any,
    slice_offset: int,
    slice_size: int,
    add_inputs: bool = True,
) -> None:
    """Add inputs [rows, rank] by the weights [slots, 1, slice_size, rank] of each row's slot to a slice of the output.

    Without `add_inputs` the slice is written over, with zeros in rows that have no adapter.
    """
    part = output_tensor[:, slice_offset : slice_offset + slice_size]
    if not add_inputs:
        part.zero_()
    product = _product(inputs, lora_b_weights, output_tensor, lora_indices_tensor)
    if product is not None:
        part += product


def _product(inputs: Any, weights: Any, output: Any, slots: Any) -> Any:
    """Return each row's product with the weights of its slot, zeros where it has none; None where no row has one.

    All rows are multiplied with all adapters of the batch, and what is another adapter's is masked on the narrow side:
    the rank is so small that this costs less than to take the batch apart, or than a copy of the weights for each row.
    """
    chosen, mask = _mask(tuple(slots.tolist()))
    if not chosen:
        return None
    weights = weights.flatten(1, -2)  # without the dimension of one, where there is one
    if len(chosen) < len(weights):
        weights = weights[chosen[0] : chosen[0] + 1] if len(chosen) == 1 else weights[chosen]
    inputs, weights = inputs.to(output.dtype), weights.to(output.dtype)
    if weights.shape[1] < weights.shape[2]:
        products = (inputs @ weights.flatten(0, 1).T).view(len(inputs), *weights.shape[:2])
        return products.mul_(mask.transpose(0, 1)).sum(1)
    return ((inputs * mask) @ weights.transpose(1, 2)).sum(0)


@lru_cache(maxsize=8)  # some hundred products are computed for one batch, all of the same rows
def _mask(slots: tuple[int, ...]) -> tuple[list[int], Any]:
    """Return the slots in a batch, and for each of them ones in its rows: [slots, rows, 1]."""
    import torch

    chosen = sorted({*slots} - {-1})
    return chosen, (torch.tensor(slots) == torch.tensor(chosen).unsqueeze(1)).unsqueeze(2)
