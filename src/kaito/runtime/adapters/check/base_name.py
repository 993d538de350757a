"""Decides whether an adapter's `base_model_name_or_path` contradicts the model that is served.

Shapes are compared elsewhere and decide first: they are exact. The name is weak evidence. A tuning job writes the path
its weights were mounted at; mirrors, quantised copies and chat variants have other names and the same modules. So only
a name of a hub's form, `owner/name` or `name`, is judged, and only these two are a contradiction:

- it shares no telling word with any name of the base or with its architecture (`llama` against `phi`);
- both give a size of the same unit and no size is common to both (`7b` against `13b`, `4k` against `128k`).
"""

import re

from kaito.runtime.adapters.check.served_base import ServedBase

_HUB_NAME = re.compile(r"(?:\w[\w.-]*/)?(?P<name>[A-Za-z0-9][\w.-]*)\Z")
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bmk])(?![a-z0-9])")
_WORD = re.compile(r"[a-z]{2,}")
_SAYS_NOTHING = frozenset(
    re.findall(
        r"\w+",
        "adapter awq base bf bit bnb causal chat float for fp ft gguf gptq hf instruct int it large "
        "lm lora medium merged mini mlx model models nf quantized small snapshot snapshots test the tiny "
        "tuned unsloth weights",
    )
)


def contradicts(name: str, base: ServedBase) -> bool:
    """Say whether `name` can only be that of another model than `base`."""
    found = _HUB_NAME.match(name)
    known = [known for known in (_last(given) for given in base.names) if known]
    if not found or not known or found["name"].lower() in known:
        return False
    own = found["name"].lower()
    words = {word for given in (*known, *(family.lower() for family in base.family)) for word in _words(given)}
    if _words(own) and words and not any(_akin(one, other) for one in _words(own) for other in words):
        return True
    return any(
        sizes and base_sizes and not sizes & base_sizes
        for unit in "bmk"
        for sizes, base_sizes in [(_sizes(own, unit), {size for given in known for size in _sizes(given, unit)})]
    )


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].lower()


def _words(name: str) -> set[str]:
    return set(_WORD.findall(name)) - _SAYS_NOTHING


def _akin(one: str, other: str) -> bool:
    """Names run words together: `tinyllama`, `codellama`."""
    return one in other or other in one


def _sizes(name: str, unit: str) -> set[float]:
    return {float(number) for number, found in _SIZE.findall(name) if found == unit}
