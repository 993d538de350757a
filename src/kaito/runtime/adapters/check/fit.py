"""Compares an adapter's modules with those of the base model that is served."""

from collections.abc import Sequence

from kaito.runtime.adapters.check.lora_tensors import LoraPair
from kaito.runtime.adapters.check.safetensors_header import Tensor
from kaito.runtime.adapters.check.served_base import LAYER, ServedBase
from kaito.runtime.adapters.failure import AdapterError

_FROM_HIDDEN = frozenset({"q_proj", "k_proj", "v_proj", "qkv_proj", "gate_proj", "up_proj", "gate_up_proj"})
_TO_HIDDEN = frozenset({"o_proj", "down_proj"})
_EMBEDDINGS = frozenset({"embed_tokens", "word_embeddings", "wte"})


def check_fit(pairs: Sequence[LoraPair], base: ServedBase) -> None:
    """Raise AdapterError (BaseMismatch, NotLoraCapable) when a module is none of the base's, or of another width."""
    for pair in pairs:
        _check_layer(pair, base)
        if (pair.module.rpartition(".")[2] in _EMBEDDINGS) != pair.embedding:
            raise AdapterError(
                "NotLoraCapable",
                f"The module {pair.module} is {'no' if pair.embedding else 'an'} embedding: lora_embedding_A and "
                "lora_embedding_B are the tensors of embeddings, lora_A.weight and lora_B.weight those of others.",
            )
        if base.modules:
            _check_exactly(pair, base)
        else:
            _check_width(pair, base.hidden)


def check_left_out(tensors: dict[str, Tensor], base: ServedBase) -> None:
    """Refuse an adapter that brings embeddings of another size: vLLM leaves them out, and words would be missing."""
    for name, tensor in tensors.items():
        module = name.removeprefix("base_model.model.").removesuffix(".base_layer.weight")
        shape = base.shape_of(module)
        if name.endswith(".base_layer.weight") and shape and tensor.shape != shape:
            raise AdapterError(
                "FeatureNotSupported",
                f"The adapter brings its own vocabulary: {name} is {list(tensor.shape)}, the base's {list(shape)}.",
            )


def _check_layer(pair: LoraPair, base: ServedBase) -> None:
    found = LAYER.search(pair.module)
    if found and base.layers and int(found[1]) >= base.layers:
        raise AdapterError(
            "BaseMismatch",
            f"The adapter is for another base model: {pair.module} is in layer {int(found[1])}, counted from 0; this "
            f"model has {base.layers} layers.",
        )


def _check_exactly(pair: LoraPair, base: ServedBase) -> None:
    shape = base.shape_of(pair.module)
    if shape is None:
        known = sorted({name.rpartition(".")[2] for name in base.modules if LAYER.search(name)})
        raise AdapterError(
            "BaseMismatch",
            f"The adapter is for another base model: this one has no module {pair.module}. Its layers have "
            f"{', '.join(known)[:300]}.",
        )
    inputs, outputs = (shape[0], shape[1]) if pair.embedding else (shape[1], shape[0])
    for name, found, own in ((pair.name_a, pair.a.shape[1], inputs), (pair.name_b, pair.b.shape[0], outputs)):
        if found != own:
            raise _other_width(name, found, own)


def _check_width(pair: LoraPair, hidden: int) -> None:
    module = pair.module.rpartition(".")[2]
    if hidden and module in _FROM_HIDDEN and pair.a.shape[1] != hidden:
        raise _other_width(pair.name_a, pair.a.shape[1], hidden)
    if hidden and module in _TO_HIDDEN and pair.b.shape[0] != hidden:
        raise _other_width(pair.name_b, pair.b.shape[0], hidden)


def _other_width(name: str, found: int, own: int) -> AdapterError:
    return AdapterError(
        "BaseMismatch",
        f"The adapter is for another base model: the tensor {name} is for a width of {found}; this model's is {own}.",
    )
