"""Makes one adapter with exactly the sum of several adapters' effects.

The effect of an adapter on a module is `s * B @ A`, with `s` = alpha / r (rsLoRA: alpha / sqrt(r)) times its strength.
The sum of several is the product of two longer matrices: `[s1 B1 | s2 B2 | …] @ [A1; A2; …]`. So the ranks add up, and
nothing is approximated, as it is where the product is taken apart again to a lower rank.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from kaito.contracts import LARGEST_LORA_RANK
from kaito.runtime.adapters.check import CONFIG_FILE, WEIGHTS_FILE
from kaito.runtime.adapters.check.files import open_plain
from kaito.runtime.adapters.check.lora_tensors import PREFIX, LoraPair
from kaito.runtime.adapters.compose.part import Part, read_part
from kaito.runtime.adapters.compose.strength import parse_strength, strengthened
from kaito.runtime.adapters.compose.tensor_numbers import (
    NewTensor,
    as_float32,
    read_rows,
    row_blocks,
    write_safetensors,
)
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.store import AdapterStore, StoredAdapter


def combined(parts: Sequence[tuple[StoredAdapter, str]], store: AdapterStore) -> StoredAdapter:
    """Return the entry with the effects of all `parts` together, each an entry and its strength.

    The same parts in the same order give the same entry. One of strength 0 adds nothing and is left out. A module that
    only some of them have gets zeros for the rest of the rank. A is kept in its type where all agree and is float32
    otherwise, B is float32. Memory is bounded by blocks of rows, whatever the sizes.

    Raises AdapterError: RankTooLarge when the ranks add up to more than vLLM takes, BaseMismatch when two of them have
    one module in two sizes, ConfigInvalid for a strength, and what `AdapterStore.commit` raises. ValueError: no parts.
    """
    if not parts:
        raise ValueError("there is nothing to combine")
    effective = [(stored, strength) for stored, strength in parts if parse_strength(strength)] or list(parts[:1])
    if len(effective) == 1:
        [(stored, strength)] = effective
        return strengthened(stored, strength, store)
    read = [read_part(stored.path, parse_strength(strength)) for stored, strength in effective]
    modules = sorted({module for part in read for module in part.pairs})
    rank = max(sum(part.pairs[module].rank for part in read if module in part.pairs) for module in modules)
    if rank > LARGEST_LORA_RANK:
        raise AdapterError(
            "RankTooLarge",
            f"The ranks of the {len(read)} adapters add up to {rank}; vLLM takes no more than {LARGEST_LORA_RANK}. "
            "Each of them is served by its own name.",
        )
    with store.staging() as folder:
        tensors = [tensor for module in modules for tensor in _tensors(module, read, rank)]
        write_safetensors(folder / WEIGHTS_FILE, tensors)
        (folder / CONFIG_FILE).write_text(_config(modules, rank, read), encoding="utf-8")
        return store.commit(folder)


def _config(modules: Sequence[str], rank: int, parts: Sequence[Part]) -> str:
    names = [part.config.base_model_name for part in parts if part.config.base_model_name]
    content: dict[str, Any] = {
        "base_model_name_or_path": names[0] if names else None,
        "bias": "none",
        "inference_mode": True,
        "lora_alpha": rank,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": sorted({module.rpartition(".")[2] for module in modules}),
        "task_type": "CAUSAL_LM",
        "use_rslora": False,
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _tensors(module: str, parts: Sequence[Part], rank: int) -> list[NewTensor]:
    """Return A and B of one module; their numbers are read when they are written."""
    having = [part for part in parts if module in part.pairs]
    pairs = [part.pairs[module] for part in having]
    if len({(pair.a.shape[1], pair.b.shape[0], pair.embedding) for pair in pairs}) > 1:
        raise AdapterError("BaseMismatch", f"The adapters are for different base models: {module} has two sizes.")
    inputs, outputs = pairs[0].a.shape[1], pairs[0].b.shape[0]
    dtypes = {pair.a.dtype for pair in pairs}
    dtype = dtypes.pop() if len(dtypes) == 1 else "F32"
    name_a, name_b = _names(pairs[0])
    return [
        NewTensor(name_a, dtype, (rank, inputs), _stacked(having, pairs, dtype, rank)),
        NewTensor(name_b, "F32", (outputs, rank), _side_by_side(module, having, pairs, rank)),
    ]


def _names(pair: LoraPair) -> tuple[str, str]:
    """Return the names as PEFT writes them; an adapter may have left their first part out."""
    return PREFIX + pair.name_a.removeprefix(PREFIX), PREFIX + pair.name_b.removeprefix(PREFIX)


def _stacked(parts: Sequence[Part], pairs: Sequence[LoraPair], dtype: str, rank: int) -> Iterator[bytes]:
    """Yield the rows of A: those of the first adapter, of the second …, then zeros."""
    left = rank
    inputs = pairs[0].a.shape[1]
    for part, pair in zip(parts, pairs, strict=True):
        left -= pair.rank
        with open_plain(part.weights) as file:
            for begin, end in row_blocks(pair.rank, inputs * 4):
                content = read_rows(file, pair.a, begin, end)
                if pair.a.dtype == dtype:
                    yield content
                else:
                    yield as_float32(content, pair.a.dtype, inputs).tobytes()
    yield bytes(left * inputs * (4 if dtype == "F32" else 2))


def _side_by_side(module: str, parts: Sequence[Part], pairs: Sequence[LoraPair], rank: int) -> Iterator[bytes]:
    """Yield the rows of B: each holds that row of the first adapter, scaled, of the second …, then zeros."""
    import numpy as np

    outputs = pairs[0].b.shape[0]
    with ExitStack() as stack:
        files = [stack.enter_context(open_plain(part.weights)) for part in parts]
        for begin, end in row_blocks(outputs, rank * 4):
            block: Any = np.zeros((end - begin, rank), "<f4")
            column = 0
            for part, pair, file in zip(parts, pairs, files, strict=True):
                rows = as_float32(read_rows(file, pair.b, begin, end), pair.b.dtype, pair.rank)
                np.multiply(rows, np.float32(part.factor(module)), out=block[:, column : column + pair.rank])
                column += pair.rank
            yield block.tobytes()
