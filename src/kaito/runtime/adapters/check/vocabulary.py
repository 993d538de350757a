"""Refuses LoRA on a vocabulary's two matrices where vLLM has none for the model: it would say so after the load only.

In vLLM 0.32 a module takes LoRA when it is a linear layer, or when the model's class names it in `embedding_modules`.
"""

from collections.abc import Sequence

from kaito.runtime.adapters.check.lora_tensors import LoraPair
from kaito.runtime.adapters.check.served_base import ServedBase
from kaito.runtime.adapters.failure import AdapterError

WITHOUT_LORA = frozenset(
    {
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "GemmaForCausalLM",
        "Ministral3ForCausalLM",
        "MistralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen2MoeForCausalLM",
    }
)
"""Architectures whose class names none, and is made of no other model: vLLM refuses for certain. Of others some take
both matrices (Llama, Phi-3), some the first alone, and of some it is not known here."""

_MATRICES = frozenset({"embed_tokens", "lm_head"})


def check_vocabulary(pairs: Sequence[LoraPair], base: ServedBase) -> None:
    """Raise AdapterError (FeatureNotSupported) for a module that vLLM has no LoRA for in this model."""
    if base.architecture not in WITHOUT_LORA:
        return
    for pair in pairs:
        module = pair.module.rpartition(".")[2]
        if module in _MATRICES:
            raise AdapterError(
                "FeatureNotSupported",
                f"The tensor {pair.name_a} is on the matrix of the vocabulary, where vLLM has no LoRA for a "
                f"{base.architecture}. Train the adapter without {module} in its target_modules.",
            )
