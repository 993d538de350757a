"""Sets of field paths, and `fieldsV1`, the JSON they are stored as.

A path is a tuple of elements in fieldsV1's own notation: `f:<name>` a field, `k:{…}` an item of an associative list by
its keys, `v:…` an item of a set by its value. A set of fields is a plain frozenset of paths.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
Fields = frozenset[Path]


def field_element(name: str) -> str:
    """Return the element of a field or map key."""
    return f"f:{name}"


def key_element(keys: Mapping[str, Any]) -> str:
    """Return the element of an associative list's item."""
    return "k:" + _json(keys)


def value_element(value: Any) -> str:
    """Return the element of a set's item."""
    return "v:" + _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def to_fields_v1(fields: Iterable[Path]) -> dict[str, Any]:
    """Return a set as the tree of `fieldsV1`; `.` marks a member that has members below it."""
    root: dict[str, Any] = {}
    for path in sorted(fields):
        node = root
        for element in path[:-1]:
            below = node.setdefault(element, {})
            if not below:
                below["."] = {}  # was a leaf until now: shorter paths sort first
            node = below
        node.setdefault(path[-1], {})
    return _without_false_members(root, frozenset(fields), ())


def _without_false_members(node: dict[str, Any], fields: Fields, path: Path) -> dict[str, Any]:
    result = {}
    for name, below in node.items():
        if name == "." and path not in fields:
            continue
        result[name] = _without_false_members(below, fields, (*path, name)) if name != "." else {}
    return result


def from_fields_v1(tree: Mapping[str, Any]) -> Fields:
    """Return the set that a `fieldsV1` tree stores. Key elements come back in canonical JSON. Raises ValueError."""
    return frozenset(_paths(tree, ()))


def _paths(tree: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for name, below in tree.items():
        if name == ".":
            yield path
            continue
        if name[:2] not in {"f:", "k:", "v:", "i:"} or not isinstance(below, Mapping):
            raise ValueError(f"{name!r} is no fieldsV1 element")
        element = name if name[:2] in {"f:", "i:"} else name[:2] + _json(json.loads(name[2:]))
        here = (*path, element)
        if below:
            yield from _paths(below, here)
        else:
            yield here


def printed(path: Path) -> str:
    """Return a path as Kubernetes prints it: `.spec.containers[name="a"].image`."""
    return "".join(printed_element(element) for element in path)


def printed_element(element: str) -> str:
    """Return one element of a path as Kubernetes prints it."""
    kind, text = element[:2], element[2:]
    if kind == "f:":
        return f".{text}"
    if kind == "k:":
        return "[" + ",".join(f"{name}={_json(value)}" for name, value in sorted(json.loads(text).items())) + "]"
    return f"[={text}]" if kind == "v:" else f"[{text}]"
