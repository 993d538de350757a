"""The `pod-template-hash` of a Deployment's ReplicaSets."""

import copy

import orjson

from kaito.core import Object

POD_TEMPLATE_HASH = "pod-template-hash"

# Kubernetes' `rand.SafeEncodeString`: no vowels and no look-alikes, so that no hash spells a word.
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_FNV32_OFFSET = 0x811C9DC5
_FNV32_PRIME = 0x01000193


def _fnv32a(data: bytes) -> int:
    value = _FNV32_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV32_PRIME) & 0xFFFFFFFF
    return value


def pod_template_hash(template: Object, collision_count: int = 0) -> str:
    """Return the hash that names the ReplicaSet of `template`: FNV-1a (32 bit) of its canonical JSON, safely encoded.

    `collision_count` is the Deployment's own: it changes the hash after two templates met in one name.
    """
    data = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    if collision_count:
        data += collision_count.to_bytes(8, "little")
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(_fnv32a(data)))


def without_hash(template: Object) -> Object:
    """Return the template as the Deployment has it: without the hash label."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    if POD_TEMPLATE_HASH not in labels:
        return template
    result = copy.deepcopy(template)
    del result["metadata"]["labels"][POD_TEMPLATE_HASH]
    if not result["metadata"]["labels"]:
        del result["metadata"]["labels"]
    return result


def same_template(one: Object, other: Object) -> bool:
    """Whether two pod templates mean the same pods; the hash label and empty fields do not count."""
    return _meaningful(without_hash(one)) == _meaningful(without_hash(other))


def _meaningful(value: object) -> object:
    """Drop nulls and empty containers (a server may write `{}` where the user wrote nothing), at any depth."""
    if isinstance(value, dict):
        kept = {key: _meaningful(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [_meaningful(item) for item in value]
    return value
