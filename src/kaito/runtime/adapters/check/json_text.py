"""Reads JSON that someone else wrote, within bounds."""

import json
from typing import Any, NoReturn

_MOST_PARTS = 2_000_000
"""Commas and opening brackets in one document; each costs a Python object of up to 250 bytes."""


def parse_object(text: bytes, *, repeated_names: bool = True) -> dict[str, Any]:
    """Return the JSON object in `text`.

    Raises ValueError, with half a sentence that says why, for everything else: invalid UTF-8, NaN and Infinity,
    nesting too deep for Python, more parts than memory should be spent on, and, unless `repeated_names`, an object
    with one name twice.
    """
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > _MOST_PARTS:
        raise ValueError("it has too many parts")
    try:
        content = json.loads(
            text.decode("utf-8"),
            parse_constant=_refuse_constant,
            object_pairs_hook=None if repeated_names else _distinct,
        )
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has {name}, which is no JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"it names {name!r:.200} twice")
        content[name] = value
    return content
