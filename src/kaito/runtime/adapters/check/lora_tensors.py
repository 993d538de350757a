"""Puts the tensors of an adapter together to modules, by the names that vLLM reads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kaito.runtime.adapters.check.safetensors_header import Tensor
from kaito.runtime.adapters.failure import AdapterError

PREFIX = "base_model.model."
DTYPES = ("F32", "F16", "BF16")

_NAME = re.compile(r"(?P<module>.+)\.lora_(?:(?P<side>[AB])\.weight|embedding_(?P<table>[AB]))\Z")
_OF_THE_BASE = (".embed_tokens.base_layer.weight", ".lm_head.base_layer.weight")


@dataclass(frozen=True)
class LoraPair:
    """One module's two tensors: A [rank, in], B [out, rank]. `embedding`: A is looked up by word, not multiplied."""

    module: str
    name_a: str
    name_b: str
    a: Tensor
    b: Tensor
    embedding: bool

    @property
    def rank(self) -> int:
        """The rank that both tensors have."""
        return self.a.shape[0]


def read_pairs(tensors: Mapping[str, Tensor]) -> list[LoraPair]:
    """Return the modules in order of name.

    Embeddings of the base itself, which PEFT saves beside some adapters, are left out, as vLLM does. Raises
    AdapterError (`WeightsInvalid`; `FeatureNotSupported` where PEFT knows the tensor and vLLM does not).
    """
    sides: dict[str, dict[str, tuple[str, Tensor, bool]]] = {}
    for name, tensor in tensors.items():
        if name.endswith(_OF_THE_BASE):
            continue
        module, side, embedding = _parse(name)
        if tensor.dtype not in DTYPES:
            raise _invalid(f"the tensor {name} is of {tensor.dtype}; served are {', '.join(DTYPES)}")
        if len(tensor.shape) != 2:
            raise _invalid(f"the tensor {name} has the shape {list(tensor.shape)!r:.100} instead of two dimensions")
        if side in sides.setdefault(module, {}):
            raise _invalid(f"the module {module} has lora_{side} twice")
        sides[module][side] = (name, tensor, embedding)
    if not sides:
        raise _invalid("it holds no LoRA tensor, so the adapter would change nothing")
    return list(_pairs(sides))


def _parse(name: str) -> tuple[str, str, bool]:
    found = _NAME.match(name.removeprefix(PREFIX))
    if found and PREFIX not in found["module"]:
        return found["module"], found["side"] or found["table"], found["side"] is None
    shown = f"{name!r:.200}"
    if "lora_magnitude_vector" in name:
        raise AdapterError("FeatureNotSupported", f"The adapter uses DoRA (tensor {shown}), which vLLM has not.")
    if ".modules_to_save." in name or name.endswith(".bias"):
        raise AdapterError(
            "FeatureNotSupported", f"The tensor {shown} is no LoRA one: whole modules and biases are not served."
        )
    raise _invalid(f"the tensor {shown} has no name that a LoRA tensor has (…module.lora_A.weight)")


def _pairs(sides: Mapping[str, Mapping[str, tuple[str, Tensor, bool]]]) -> Iterator[LoraPair]:
    for module in sorted(sides):
        found = sides[module]
        if len(found) != 2:
            [there] = found
            raise _invalid(f"the module {module} has lora_{there} and no lora_{'B' if there == 'A' else 'A'}")
        (name_a, a, embedding), (name_b, b, embedding_b) = found["A"], found["B"]
        if embedding != embedding_b or a.shape[0] != b.shape[1]:
            raise _invalid(
                f"the tensors of the module {module} do not fit: lora_A {list(a.shape)}, lora_B {list(b.shape)}"
            )
        yield LoraPair(module, name_a, name_b, a, b, embedding)


def _invalid(what: str) -> AdapterError:
    return AdapterError("WeightsInvalid", f"adapter_model.safetensors cannot be used: {what}.")
