"""The models that are measured: shapes, and folders in which vLLM finds such a model. Their answers mean nothing."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

SEED: Final = 20
BYTES: Final = 256
END: Final = "<|end|>"
_CHAT_TEMPLATE: Final = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """A decoder's sizes. `dummy`: the weights are zeros that take no room on the disk, for `--load-format dummy`."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    context: int
    architecture: str = "LlamaForCausalLM"
    dummy: bool = False

    @property
    def fused(self) -> bool:
        """Whether query, key and value are one module, as in phi-3."""
        return self.architecture == "Phi3ForCausalLM"

    def modules(self) -> list[tuple[str, int, int]]:
        """Return the linear modules of a layer: name, inputs, outputs."""
        head = self.hidden // self.heads
        query, key = self.heads * head, self.kv_heads * head
        attention = [("q_proj", query), ("k_proj", key), ("v_proj", key)]
        feed = [("gate_proj", self.intermediate), ("up_proj", self.intermediate)]
        if self.fused:
            attention, feed = [("qkv_proj", query + 2 * key)], [("gate_up_proj", 2 * self.intermediate)]
        return [
            *((f"self_attn.{name}", self.hidden, width) for name, width in attention),
            ("self_attn.o_proj", query, self.hidden),
            *((f"mlp.{name}", self.hidden, width) for name, width in feed),
            ("mlp.down_proj", self.intermediate, self.hidden),
        ]

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Return every tensor with its shape."""
        found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (self.vocabulary, self.hidden)}
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}"
            found |= {f"{prefix}.{name}.weight": (width, inputs) for name, inputs, width in self.modules()}
            found |= {f"{prefix}.{name}.weight": (self.hidden,) for name in _NORMS}
        return {**found, "model.norm.weight": (self.hidden,), "lm_head.weight": (self.vocabulary, self.hidden)}

    @property
    def parameters(self) -> int:
        """How many numbers the model is."""
        return sum(_count(shape) for shape in self.tensors().values())


_NORMS: Final = ("input_layernorm", "post_attention_layernorm")

TINY: Final = Shape("tiny", 64, 2, 2, 1, 128, 384, 512)
SMALL: Final = Shape("small", 512, 8, 8, 2, 1408, 2048, 512)
LARGE: Final = Shape("8b", 4096, 32, 32, 8, 14336, 128256, 8192, dummy=True)
PHI_3: Final = Shape("phi-3", 3072, 32, 32, 32, 8192, 32064, 4096, architecture="Phi3ForCausalLM", dummy=True)


def write_model(shape: Shape, folder: Path) -> Path:
    """Fill a folder with config, tokenizer and weights; equal shapes give equal files."""
    folder.mkdir(parents=True)
    for name, content in {"config.json": _config(shape), **_tokenizer(shape)}.items():
        (folder / name).write_text(json.dumps(content))
    weights = folder / "model.safetensors"
    if shape.dummy:
        write_tensors(weights, "BF16", shape.tensors(), None)
    else:
        write_tensors(weights, "F32", shape.tensors(), SEED)
    return folder


def write_tensors(path: Path, dtype: str, tensors: dict[str, tuple[int, ...]], seed: int | None) -> None:
    """Write a safetensors file: normal numbers by the width of each input, ones for norms; a hole without a seed."""
    size, header, offset = {"F32": 4, "BF16": 2}[dtype], {}, 0
    for name, shape in tensors.items():
        end = offset + _count(shape) * size
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        if seed is None:
            file.truncate(file.tell() + offset)
        else:
            _write_numbers(file, tensors, seed)


def _write_numbers(file: BinaryIO, tensors: dict[str, tuple[int, ...]], seed: int) -> None:
    import numpy  # vLLM brings it: the control plane and its tests do without

    source = numpy.random.default_rng(seed)
    for shape in tensors.values():
        if len(shape) == 1:
            file.write(numpy.ones(shape, dtype=numpy.float32).tobytes())
        else:
            numbers = source.standard_normal(shape, dtype=numpy.float32) / numpy.float32(shape[-1] ** 0.5)
            file.write(numbers.tobytes())


def _count(shape: tuple[int, ...]) -> int:
    found = 1
    for width in shape:
        found *= width
    return found


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "architectures": [shape.architecture],
        "model_type": "phi3" if shape.fused else "llama",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "intermediate_size": shape.intermediate,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.context,
        "original_max_position_embeddings": shape.context,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "bos_token_id": BYTES,
        "eos_token_id": BYTES,
        "pad_token_id": BYTES,
        "torch_dtype": "bfloat16" if shape.dummy else "float32",
    }


def _tokenizer(shape: Shape) -> dict[str, Any]:
    """Return a tokenizer that makes a token of each byte, and knows a word for every other token of the model."""
    words = [*_alphabet(), END, *(f"w{number}" for number in range(BYTES + 1, shape.vocabulary))]
    model = {"type": "BPE", "vocab": {word: number for number, word in enumerate(words)}, "merges": []}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    content = {
        "version": "1.0",
        "added_tokens": [{"id": BYTES, "content": END, **special}],
        "pre_tokenizer": level,
        "decoder": level,
        "model": model,
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "model_max_length": shape.context,
        "clean_up_tokenization_spaces": False,
        "chat_template": _CHAT_TEMPLATE,
    }
    return {"tokenizer.json": content, "tokenizer_config.json": config}


def _alphabet() -> list[str]:
    """Return the characters that stand for bytes in a byte-level vocabulary (the rule is GPT-2's)."""
    shown = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = iter(range(BYTES, 2 * BYTES))
    return [chr(byte if byte in shown else next(hidden)) for byte in range(BYTES)]
