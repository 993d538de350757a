"""The smallest sizes at which each architecture still runs its true code path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kaito.runtime.failure import FatalError

CPU_HEAD_SIZES = frozenset({32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512})
"""Head sizes that vLLM's CPU attention knows. It checks none at start: others kill the engine at the first request."""

MAX_POSITION_EMBEDDINGS = 131072
"""Positions that every stand-in declares, so that any preset's `--max-model-len` is accepted (the longest: 128k)."""


INITIALIZER_RANGE = 0.05
"""Spread of the first weights: the usual 0.02 is for models fifty times as wide, and learns more slowly here."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of a stand-in and the modules of transformers that make it.

    Sizes are counts; `hidden_size / heads` must be one of `CPU_HEAD_SIZES`. `extra` holds what only this one has.
    """

    model_class: str
    config_class: str
    hidden_size: int = 64
    intermediate_size: int = 128
    layers: int = 2
    heads: int = 2
    key_value_heads: int = 2
    lora: bool = True
    """Whether vLLM serves it with LoRA adapters."""
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.heads

    def settings(self, *, vocabulary: int, end_token: int, pad_token: int) -> dict[str, object]:
        """Return the keyword arguments of the configuration class."""
        return {
            "vocab_size": vocabulary,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads,
            "max_position_embeddings": MAX_POSITION_EMBEDDINGS,
            "bos_token_id": end_token,
            "eos_token_id": end_token,
            "pad_token_id": pad_token,
            "tie_word_embeddings": False,
            "initializer_range": INITIALIZER_RANGE,
            **self.extra,
        }


_ALL_POSITIONS = MappingProxyType({"original_max_position_embeddings": MAX_POSITION_EMBEDDINGS})
_NO_WINDOW = MappingProxyType({"sliding_window": None})

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "Phi3ForCausalLM": Architecture("Phi3ForCausalLM", "Phi3Config", extra=_ALL_POSITIONS),
        "LlamaForCausalLM": Architecture("LlamaForCausalLM", "LlamaConfig", key_value_heads=1),
        "MistralForCausalLM": Architecture("MistralForCausalLM", "MistralConfig", key_value_heads=1, extra=_NO_WINDOW),
        # The 7B models' form: one KV head for all, attention and MLP side by side.
        "FalconForCausalLM": Architecture(
            "FalconForCausalLM",
            "FalconConfig",
            key_value_heads=1,
            lora=False,
            extra=MappingProxyType({"multi_query": True}),
        ),
        "Qwen2ForCausalLM": Architecture("Qwen2ForCausalLM", "Qwen2Config", key_value_heads=1),
    }
)


def find_architecture(name: str) -> Architecture:
    """Return the sizes for an architecture, as named in a model's config.json. Raises UnknownArchitecture."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        raise FatalError(
            "UnknownArchitecture",
            f"There is no stand-in for the architecture {name!r}.",
            remedy=f"Use one of {', '.join(ARCHITECTURES)}, or serve the real weights.",
        ) from None
