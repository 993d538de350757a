"""Compiled CEL expressions: the language of validation rules, with the functions that Kubernetes adds to it.

The Python CEL lacks what a Kubernetes API server has besides: static types, cost limits, `.?` optionals, and the
`format`, `url` and `ip` libraries.
"""

import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from kaito.core.quantity import parse_quantity

# `import cel` loads its command line too, and with it typer, rich and prompt_toolkit: 25 MB of no use to a server.
_without_command_line = sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
import cel  # noqa: E402
from cel.stdlib import STDLIB_FUNCTIONS  # noqa: E402

if not hasattr(_without_command_line, "__file__"):
    del sys.modules["cel.cli"]

EVALUATION_ERRORS = (RuntimeError, TypeError, ValueError, KeyError, IndexError, OverflowError)
"""What `Expression.evaluate` raises for an expression that makes no sense of its variables."""


class Expression:
    """One compiled expression; safe to evaluate again and again. Raises ValueError when it is no CEL."""

    def __init__(self, source: str) -> None:
        try:
            program = cel.compile(source)
        except ValueError as error:
            raise ValueError(f"rule {source!r} does not compile: {error}") from error
        called = set(program.functions())
        self.source = source
        self.variables = frozenset(program.variables())
        self._program = program
        self._functions = {name: call for name, call in _FUNCTIONS.items() if name.rpartition(".")[2] in called}

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Return the value of the expression. Raises one of EVALUATION_ERRORS."""
        if not self._functions:
            return self._program.execute(dict(variables))
        return self._program.execute(cel.Context(variables=dict(variables), functions=self._functions))


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def _find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match[0] if match else ""


def _find_all(text: str, pattern: str) -> list[str]:
    return [match[0] for match in re.finditer(pattern, text)]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **STDLIB_FUNCTIONS,
    "isSorted": lambda items: items == sorted(items),
    "find": _find,
    "findAll": _find_all,
    "quantity": lambda text: float(parse_quantity(text)),
    "isQuantity": _is_quantity,
    "isGreaterThan": lambda left, right: left > right,
    "isLessThan": lambda left, right: left < right,
    "compareTo": lambda left, right: int(left > right) - int(left < right),
}
"""CEL's own extended library and Kubernetes' functions. A quantity is a double here: exact to 53 bits."""
