r"""JSONPath as printer columns use it: fields, `['a.b']`, escaped dots, indexes, slices, wildcards, `..` and filters.

The dialect is that of k8s.io/client-go `util/jsonpath`; missing fields give no result.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

_Step = Callable[[Any], Iterator[Any]]
_NAME = re.compile(r"\.((?:\\.|[^.\[\]\\ ])+)")
_QUOTED = re.compile(r"\[\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\s*\]")
_INDEX = re.compile(r"\[\s*(-?\d+)\s*\]")
_SLICE = re.compile(r"\[\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?\]")
_WILDCARD = re.compile(r"\[\s*\*\s*\]|\.\*")
_FILTER = re.compile(r"\[\?\((.*?)\)\]", re.DOTALL)
_COMPARISON = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*\Z", re.DOTALL)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


class JsonPath:
    """A parsed path. Raises ValueError for what is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = tuple(
            _steps(text.strip().removeprefix("{").removesuffix("}").removeprefix("$").removeprefix("@"))
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a path such as `.status.conditions[?(@.type=="Ready")].status`."""
        return cls(text)

    def find(self, value: Any) -> list[Any]:
        """Return all values the path leads to."""
        found = [value]
        for step in self._steps:
            found = [result for item in found for result in step(item)]
        return found


def _steps(text: str) -> Iterator[_Step]:
    rest = text if not text or text[0] in ".[" else "." + text
    while rest:
        if rest.startswith(".."):
            yield _descendants
            rest = rest[1:] if rest[2:3] != "[" else rest[2:]
            continue
        for pattern, make in _PARSERS:
            match = pattern.match(rest)
            if match is not None:
                yield make(match)
                rest = rest[match.end() :]
                break
        else:
            if rest == ".":
                return
            raise ValueError(f"{text!r} is no JSONPath: cannot read {rest!r}")


def _field(name: str) -> _Step:
    plain = re.sub(r"\\(.)", r"\1", name)

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and plain in value:
            yield value[plain]

    return step


def _index(index: int) -> _Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _slice(match: re.Match[str]) -> _Step:
    start, stop, stride = (int(part) if part else None for part in match.groups())

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[start:stop:stride]

    return step


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descendants(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descendants(child)


def _filter(condition: str) -> _Step:
    comparison = _COMPARISON.match(condition)
    if comparison is None:
        exists = JsonPath(condition)
        return lambda value: (item for item in _items(value) if exists.find(item))
    left, right = _operand(comparison[1]), _operand(comparison[3])
    compare = _COMPARE[comparison[2]]

    def step(value: Any) -> Iterator[Any]:
        for item in _items(value):
            lefts, rights = left(item), right(item)
            if lefts and rights and _comparable(lefts[0], rights[0]) and compare(lefts[0], rights[0]):
                yield item

    return step


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _comparable(left: Any, right: Any) -> bool:
    number = isinstance(left, int | float) and isinstance(right, int | float)
    return number or type(left) is type(right)


def _operand(text: str) -> Callable[[Any], list[Any]]:
    if text.startswith("@"):
        return JsonPath(text).find
    constant: Any
    if text[0] in "'\"" and text[-1] == text[0] and len(text) > 1:
        constant = re.sub(r"\\(.)", r"\1", text[1:-1])
    elif text in {"true", "false"}:
        constant = text == "true"
    else:
        constant = float(text) if "." in text else int(text)
    return lambda _: [constant]


_PARSERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], _Step]], ...] = (
    (_WILDCARD, lambda _: _children),
    (_NAME, lambda match: _field(match[1])),
    (_QUOTED, lambda match: _field(match[1] if match[1] is not None else match[2])),
    (_INDEX, lambda match: _index(int(match[1]))),
    (_SLICE, _slice),
    (_FILTER, lambda match: _filter(match[1])),
)
