"""All checks of an adapter that need its config and its header, and no weight."""

import os
from dataclasses import dataclass
from pathlib import Path

from kaito.runtime.adapters.check.base_name import contradicts
from kaito.runtime.adapters.check.files import CONFIG_FILE, WEIGHTS_FILE, open_plain
from kaito.runtime.adapters.check.fit import check_fit, check_left_out
from kaito.runtime.adapters.check.lora_tensors import DTYPES, LoraPair, read_pairs
from kaito.runtime.adapters.check.peft_config import LONGEST_CONFIG, PeftConfig, parse_config
from kaito.runtime.adapters.check.safetensors_header import read_header
from kaito.runtime.adapters.check.served_base import ServedBase
from kaito.runtime.adapters.check.vocabulary import check_vocabulary
from kaito.runtime.adapters.failure import AdapterError

LARGEST_ADAPTER = 4 * 2**30
"""Bytes. Rank 512 on every matrix of an 8B model takes 2.7 GB."""


@dataclass(frozen=True)
class CheckedAdapter:
    """An adapter that passed.

    `rank` is the one that the engine needs room for: the largest of config and tensors. `dtype` is the widest type of
    its numbers, in the safetensors format's words. `size_bytes` is that of both files. `modules` are the module names'
    last parts, sorted. `base_model_name` is what the adapter says it was trained on, empty when it says nothing.
    """

    rank: int
    alpha: float
    use_rslora: bool
    dtype: str
    size_bytes: int
    modules: tuple[str, ...]
    base_model_name: str


def check_adapter(folder: Path, base: ServedBase, *, largest_bytes: int = LARGEST_ADAPTER) -> CheckedAdapter:
    """Check the adapter in `folder` against `base`; other files in the folder are passed over.

    Reads adapter_config.json and the header of adapter_model.safetensors. Memory and time are bounded by the limits on
    both, whatever is in them. Raises AdapterError, and nothing else.
    """
    with open_plain(folder / CONFIG_FILE) as file:
        text = file.read(LONGEST_CONFIG + 1)
    config = parse_config(text)
    with open_plain(folder / WEIGHTS_FILE) as file:
        size = len(text) + os.fstat(file.fileno()).st_size
        if size > largest_bytes:
            raise AdapterError("TooLarge", f"It has {size} bytes; {largest_bytes} is the most.")
        try:
            tensors = read_header(file)
        except (OSError, ValueError) as error:
            raise AdapterError("WeightsInvalid", f"{WEIGHTS_FILE} cannot be used: {error}.") from None
    pairs = read_pairs(tensors)
    check_fit(pairs, base)
    check_left_out(tensors, base)
    check_vocabulary(pairs, base)
    for pair in pairs:
        _check_rank(pair, config)
    if contradicts(config.base_model_name, base):
        raise AdapterError(
            "BaseMismatch",
            f"The adapter was trained on {config.base_model_name:.200}; served is {base.names[0]}. Its tensors would "
            "fit: if it is meant for this model, correct base_model_name_or_path in adapter_config.json.",
        )
    return CheckedAdapter(
        rank=config.largest_rank,
        alpha=config.alpha,
        use_rslora=config.use_rslora,
        dtype=min((tensor.dtype for pair in pairs for tensor in (pair.a, pair.b)), key=DTYPES.index),
        size_bytes=size,
        modules=tuple(sorted({pair.module.rpartition(".")[2] for pair in pairs})),
        base_model_name=config.base_model_name,
    )


def _check_rank(pair: LoraPair, config: PeftConfig) -> None:
    expected = config.rank_of(pair.module)
    if pair.rank != expected:
        raise AdapterError(
            "WeightsInvalid",
            f"The tensor {pair.name_a} has rank {pair.rank}; adapter_config.json says {expected}. Its effect would be "
            "scaled wrongly.",
        )
