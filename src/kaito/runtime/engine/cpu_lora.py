"""Keeps the adapters' effects away from the base model's requests on a CPU.

vLLM marks the rows of a batch that have no adapter by the slot -1. Its kernels for GPUs pass such rows over; those for
CPUs (0.32) take -1 as Python does, for the last slot, so that the base answers with the effect of the adapter that is
there or was there last. vLLM's pull request 48421 describes the same. This is vLLM's plugin of the group
`vllm.general_plugins`, which it calls in each of its processes; the kernels run in another one than the HTTP server.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

KERNELS = ("bgmv_shrink", "bgmv_expand", "bgmv_expand_slice")
"""Each takes rows of inputs, the weights of all slots, the output to add to, and the slot of each row."""


def register() -> None:
    """Correct the kernels where they are used. Does nothing where vLLM runs on another device."""
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        from vllm.lora.ops.torch_ops import lora_ops
        from vllm.lora.punica_wrapper import punica_cpu

        correct(lora_ops, punica_cpu)


def correct(*modules: ModuleType) -> None:
    """Replace the kernels in these modules by ones that pass over rows without an adapter. Twice is as once."""
    for module in modules:
        for name in KERNELS:
            kernel = getattr(module, name)
            if not hasattr(kernel, "__wrapped__"):
                setattr(module, name, _passing_over(kernel))


def _passing_over(kernel: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(kernel)
    def passing_over(inputs: Any, weights: Any, output: Any, slots: Any, *rest: Any, **named: Any) -> None:
        served = slots >= 0
        if not served.any():
            return
        if not served.all():  # a row of zeros adds nothing, whatever it is multiplied with
            inputs = inputs.masked_fill(~served.unsqueeze(1), 0)
        kernel(inputs, weights, output, slots, *rest, **named)

    return passing_over
