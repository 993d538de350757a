"""Whether a live object already says all that is desired, where different spellings mean the same.

The API server stores an object in its own words: it adds defaults, drops empty fields, rewrites quantities of resources
(`0.5` to `500m`), and keeps what others added to lists that are merged by a key. None of that is a reason to
write again.
Fields that are not desired are not looked at; that one was desired before is seen from the digest (`apply.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kaito.core.quantity import parse_quantity

_QUANTITY_MAPS: Final = frozenset(
    {
        "allocatable",
        "capacity",
        "default",
        "defaultRequest",
        "hard",
        "limits",
        "max",
        "min",
        "overhead",
        "requests",
        "used",
    }
)
"""Fields whose values are quantities in the Kubernetes API. Elsewhere `1` and `1.0` are different strings."""

_QUANTITIES: Final = frozenset({"averageValue", "divisor", "sizeLimit"})
_DROPPED_WHEN_EMPTY: Final = frozenset(
    {"annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector", "stringData", *_QUANTITY_MAPS}
)
"""Maps that the API server drops when empty. Elsewhere `{}` says something: `emptyDir: {}`."""

_MERGE_KEYS: Final = (
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("mountPath",),
    ("devicePath",),
    ("topologyKey",),
    ("uid",),
    ("type",),
    ("name",),
    ("ip",),
)
"""List-map keys of the Kubernetes API's own lists. `key` is none of them: tolerations and requirements are atomic."""

_SETS: Final = frozenset({"finalizers"})
_ASSUMED: Final = {"protocol": "TCP"}


def already_says(live: Any, desired: Any, field: str = "", parent: str = "") -> bool:
    """Say whether `live` contains everything in `desired`. `field` and `parent` name where in the object we are."""
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and _map_says(live, desired, field)
    if isinstance(desired, Sequence) and not isinstance(desired, str | bytes):
        return _is_list(live) and _list_says(live, desired, field)
    if field in _QUANTITIES or parent in _QUANTITY_MAPS:
        return _same_quantity(live, desired)
    return _same_scalar(live, desired)


def means_nothing(desired: Any, field: str = "") -> bool:
    """Say whether a desired value means the same as its absence."""
    if isinstance(desired, Mapping):
        return not desired and field in _DROPPED_WHEN_EMPTY
    return desired is None or desired == "" or desired == [] or desired == () or desired is False or _is_zero(desired)


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | float) and value == 0


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _map_says(live: Mapping[str, Any], desired: Mapping[str, Any], field: str) -> bool:
    for name, value in desired.items():
        found = live.get(name)
        if found is None:
            if not means_nothing(value, name):
                return False
        elif value is None or not already_says(found, value, name, field):
            return False
    return True


def _list_says(live: Sequence[Any], desired: Sequence[Any], field: str) -> bool:
    if field in _SETS and all(isinstance(value, str) for value in desired):
        return all(value in live for value in desired)
    key = _merge_key(live, desired)
    if key is None:
        return len(live) == len(desired) and all(
            already_says(found, value, "", field) for found, value in zip(live, desired, strict=True)
        )
    by_key = {_identity(item, key): item for item in live}
    return all(
        _identity(item, key) in by_key and already_says(by_key[_identity(item, key)], item, "", field)
        for item in desired
    )


def _merge_key(live: Sequence[Any], desired: Sequence[Any]) -> tuple[str, ...] | None:
    """Return the key by which both lists are maps: present in every item, unique in each list."""
    items = (*live, *desired)
    if not desired or not all(isinstance(item, Mapping) for item in items):
        return None
    for key in _MERGE_KEYS:
        if all(_identity(item, key) is not None for item in items) and _unique(live, key) and _unique(desired, key):
            return key
    return None


def _identity(item: Mapping[str, Any], key: tuple[str, ...]) -> tuple[Any, ...] | None:
    values = tuple(item.get(part, _ASSUMED.get(part)) for part in key)
    return values if all(isinstance(value, str | int) for value in values) else None


def _unique(items: Sequence[Mapping[str, Any]], key: tuple[str, ...]) -> bool:
    return len({_identity(item, key) for item in items}) == len(items)


def _same_quantity(live: Any, desired: Any) -> bool:
    try:
        return parse_quantity(live) == parse_quantity(desired)
    except ValueError:
        return _same_scalar(live, desired)


def _same_scalar(live: Any, desired: Any) -> bool:
    if isinstance(live, bool) or isinstance(desired, bool):
        return live is desired
    return bool(live == desired)
