"""Reads adapter_config.json with strict types, and refuses by name what vLLM would leave out or get wrong.

The rules follow vLLM's `PEFTHelper`, which converts and checks little: a rank of `true` is 1 to it, an unknown value of
`bias` an adapter bias, a missing key of a feature its absence.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kaito.contracts import LARGEST_LORA_RANK
from kaito.runtime.adapters.check.json_text import parse_object
from kaito.runtime.adapters.failure import AdapterError

LONGEST_CONFIG = 2**20
"""Bytes of adapter_config.json."""

_LARGEST_ALPHA = 1e6
# One for each module of a model with 36 layers. vLLM matches every module with every pattern while all requests
# wait, and compiles each pattern anew once both maps have more than 500.
_MOST_PATTERNS = 256
_PATTERN = re.compile(r"[\w.\-^$*+?|\\()\[\]]{1,300}\Z")
_COSTLY = re.compile(r"\)[*+?{]|\\\d")

# Each needs code that vLLM has not, or changes the base's weights; the key is PEFT's own.
_FEATURES: Mapping[str, str] = {
    "use_dora": "DoRA",
    "lora_bias": "a bias in LoRA layers",
    "use_qalora": "QALoRA",
    "use_bdlora": "block-diagonal LoRA",
    "alora_invocation_tokens": "activated LoRA (aLoRA)",
    "layer_replication": "replicated layers",
    "modules_to_save": "whole modules beside the LoRA ones",
    "trainable_token_indices": "trainable tokens",
    "target_parameters": "LoRA on bare parameters",
    "fan_in_fan_out": "transposed weights",
    "arrow_config": "Arrow routing",
}
# They only choose the first weights; the others subtract something from the base model.
_PLAIN_STARTS = frozenset({"gaussian", "eva", "orthogonal", "mica", "lora_ga"})
_TASKS = (None, "CAUSAL_LM")


@dataclass(frozen=True)
class PeftConfig:
    """What a LoRA adapter's config says of its tensors. `ranks` and `alphas`: by pattern of the module's name."""

    rank: int
    alpha: float
    use_rslora: bool = False
    ranks: Mapping[str, int] = field(default_factory=dict)
    alphas: Mapping[str, float] = field(default_factory=dict)
    base_model_name: str = ""

    def rank_of(self, module: str) -> int:
        """Return the rank that vLLM and PEFT expect of a module."""
        return next((rank for pattern, rank in self.ranks.items() if _matches(pattern, module)), self.rank)

    def scale_of(self, module: str) -> float:
        """Return the factor on `B @ A` of a module: alpha / r, with rsLoRA alpha / sqrt(r)."""
        alpha = next((alpha for pattern, alpha in self.alphas.items() if _matches(pattern, module)), self.alpha)
        rank = self.rank_of(module)
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)

    @property
    def largest_rank(self) -> int:
        """The rank that vLLM needs a slot for: it looks at the config, whether or not a tensor has it."""
        return max(self.rank, *self.ranks.values()) if self.ranks else self.rank


def parse_config(text: bytes) -> PeftConfig:
    """Read the text of adapter_config.json. Raises AdapterError: ConfigInvalid, FeatureNotSupported or RankTooLarge."""
    if len(text) > LONGEST_CONFIG:
        raise _invalid(f"is longer than {LONGEST_CONFIG} bytes")
    try:
        content = parse_object(text)
    except ValueError as error:
        raise _invalid(f"cannot be read: {error}") from None
    kind = content.get("peft_type", "LORA")
    if kind != "LORA":
        raise AdapterError(
            "FeatureNotSupported", f"adapter_config.json says peft_type {kind!r:.100}; only LORA is served."
        )
    _refuse_features(content)
    _check_targets(content.get("target_modules"))
    config = PeftConfig(
        _rank(content.get("r"), "r"),
        _alpha(content.get("lora_alpha"), "lora_alpha"),
        _flag(content, "use_rslora"),
        {pattern: _rank(rank, f"rank_pattern of {pattern}") for pattern, rank in _patterns(content, "rank_pattern")},
        {
            pattern: _alpha(alpha, f"alpha_pattern of {pattern}")
            for pattern, alpha in _patterns(content, "alpha_pattern")
        },
        _base_name(content),
    )
    if config.largest_rank > LARGEST_LORA_RANK:
        raise AdapterError(
            "RankTooLarge", f"Its rank is {config.largest_rank}; vLLM takes no more than {LARGEST_LORA_RANK}."
        )
    return config


def _refuse_features(content: Mapping[str, Any]) -> None:
    for key, name in _FEATURES.items():
        if content.get(key):
            raise AdapterError(
                "FeatureNotSupported", f"The adapter uses {name} ({key} in adapter_config.json), which vLLM has not."
            )
    bias, start, task = content.get("bias", "none"), content.get("init_lora_weights", True), content.get("task_type")
    if bias != "none":
        raise AdapterError("FeatureNotSupported", f"The adapter trains biases (bias {bias!r:.100}); vLLM takes none.")
    if not (start is None or isinstance(start, bool)) and str(start).lower() not in _PLAIN_STARTS:
        raise AdapterError(
            "FeatureNotSupported",
            f"The adapter began with init_lora_weights {start!r:.100}, which changes the base model's weights. Save it "
            "with PEFT's path_initial_model_for_weight_conversion.",
        )
    if task not in _TASKS:
        raise AdapterError("FeatureNotSupported", f"The adapter is for the task {task!r:.100}; served is CAUSAL_LM.")


def _check_targets(value: Any) -> None:
    if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise _invalid(f"gives no target_modules as text or list of texts: {value!r:.100}")
    if not value:
        raise _invalid("has empty target_modules")


def _rank(value: Any, key: str) -> int:
    if type(value) is not int or value < 1:
        raise _invalid(f"gives no rank: {key:.200} is {value!r:.100}")
    return value


def _alpha(value: Any, key: str) -> float:
    if type(value) not in (int, float) or not abs(value) <= _LARGEST_ALPHA:
        raise _invalid(f"gives no number that can be used: {key:.200} is {value!r:.100}")
    return float(value)


def _flag(content: Mapping[str, Any], key: str) -> bool:
    value = content.get(key)
    if value is not None and not isinstance(value, bool):
        raise _invalid(f"has {key} {value!r:.100} instead of true or false")
    return bool(value)


def _patterns(content: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    """Return a map of patterns; those that could keep a regular expression busy for ever are refused."""
    value = content.get(key) or {}
    if not isinstance(value, dict) or len(value) > _MOST_PATTERNS:
        raise _invalid(f"has a {key} that is no object of at most {_MOST_PATTERNS} patterns")
    for pattern in value:
        if not _is_quick(pattern) or not _compiles(pattern):
            raise _invalid(f"has a {key} with a pattern that is not understood: {pattern!r:.200}")
    return list(value.items())


def _is_quick(pattern: str) -> bool:
    """Say whether a pattern cannot take long: what repeats or branches is counted, and groups never repeat."""
    branches, repeats = pattern.count("|"), len(re.findall(r"[*+]|(?<!\()\?", pattern))
    return bool(_PATTERN.match(pattern)) and not _COSTLY.search(pattern) and repeats < 3 and branches < 9


def _compiles(pattern: str) -> bool:
    try:
        re.compile(_anchored(pattern))
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _matches(pattern: str, module: str) -> bool:
    return re.match(_anchored(pattern), module) is not None


def _anchored(pattern: str) -> str:
    """Return PEFT's own rule: the pattern is the module's name or the end of it, from a dot on."""
    return rf"(?:.*\.)?(?:{pattern})$"


def _base_name(content: Mapping[str, Any]) -> str:
    value = content.get("base_model_name_or_path")
    if value is not None and not isinstance(value, str):
        raise _invalid(f"has base_model_name_or_path {value!r:.100} instead of a text")
    return value or ""


def _invalid(what: str) -> AdapterError:
    return AdapterError("ConfigInvalid", f"adapter_config.json {what}.")
