"""CEL validation rules (`x-kubernetes-validations`): compiled once, run with `self` and `oldSelf`.

The Python CEL lacks three things that a Kubernetes API server has: static type checks and cost limits, `.?` optionals,
and the `format`, `url` and `ip` libraries. A rule that uses them is refused with its CustomResourceDefinition, or fails
the objects it guards: a rule that cannot be checked is never skipped in silence.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, Self

import cel
from cel.stdlib import add_stdlib_to_context

from kaito.apiserver.schema.field_error import Cause, FieldError
from kaito.apiserver.schema.formats import parse_date_time, parse_duration
from kaito.core.quantity import parse_quantity

if TYPE_CHECKING:
    from kaito.apiserver.schema.structural import StructuralSchema

_CAUSES = {str(cause): cause for cause in (Cause.INVALID, Cause.FORBIDDEN, Cause.REQUIRED, Cause.DUPLICATE)}
_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Program(Protocol):
    """A compiled CEL expression."""

    def execute(self, context: Any) -> Any:
        """Evaluate in a context of variables and functions."""

    def references(self) -> Any:
        """Return what the expression refers to."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule of a schema node. `reason` is a field error's cause; `field_path` is relative to the node."""

    source: str
    program: Program
    message: str = ""
    message_program: Program | None = None
    reason: Cause = Cause.INVALID
    field_path: str = ""
    uses_old_self: bool = False
    optional_old_self: bool = False

    @classmethod
    def from_openapi(cls, rule: Mapping[str, Any]) -> Self:
        """Compile one `x-kubernetes-validations` entry. Raises ValueError when it is no CEL that runs here."""
        source = rule["rule"].strip()
        message_expression = rule.get("messageExpression", "")
        return cls(
            source=source,
            program=_compile(source),
            message=rule.get("message", "").strip(),
            message_program=_compile(message_expression) if message_expression else None,
            reason=_CAUSES.get(rule.get("reason", ""), Cause.INVALID),
            field_path=rule.get("fieldPath", "").removeprefix("."),
            uses_old_self=re.search(r"\boldSelf\b", _STRINGS.sub("''", source)) is not None,
            optional_old_self=bool(rule.get("optionalOldSelf")),
        )

    def check(self, node_type: str, variables: Mapping[str, Any], path: str) -> FieldError | None:
        """Evaluate with `self` (and `oldSelf`) already in CEL's terms (`cel_value`); return what is wrong."""
        try:
            if self.program.execute(_context(variables)) is True:
                return None
        except (RuntimeError, TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
            return FieldError(Cause.INVALID, path, node_type, f"{_reading(error)} evaluating rule: {self._words}")
        at = f"{path}.{self.field_path}" if self.field_path and path != "<nil>" else self.field_path or path
        return FieldError(self.reason, at, node_type, self._failure(variables))

    @property
    def _words(self) -> str:
        return self.message or self.source

    def _failure(self, variables: Mapping[str, Any]) -> str:
        if self.message_program is not None:
            try:
                text = self.message_program.execute(_context(variables))
            except (RuntimeError, TypeError, ValueError, KeyError, IndexError, OverflowError):
                text = None  # Kubernetes falls back to the message when its expression fails
            if isinstance(text, str) and text.strip() and "\n" not in text:
                return text
        return self.message or f"failed rule: {self.source}"


_STRINGS = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")


def cel_value(value: Any, schema: "StructuralSchema") -> Any:
    """Return `value` as rules see it: timestamps and durations typed, field names escaped to identifiers."""
    if isinstance(value, dict):
        result = {}
        for name, item in value.items():
            known = schema.properties.get(name)
            if known is not None:
                result[escaped(name)] = cel_value(item, known)
            elif schema.values is not None:
                result[name] = cel_value(item, schema.values)
            elif schema.preserve_unknown_fields:
                result[name] = item
        return result
    if isinstance(value, list) and schema.items is not None:
        return [cel_value(item, schema.items) for item in value]
    return _typed(value, schema.constraints.get("format", ""))


def escaped(name: str) -> str:
    """Return a property's name as a CEL identifier (`x-kubernetes-validations`: `-` is `__dash__`, …)."""
    if name in _RESERVED:
        return f"__{name}__"
    if _IDENTIFIER.match(name) and "__" not in name:
        return name
    return re.sub(r"__|[.\-/]", lambda match: _ESCAPES[match[0]], name)


def _typed(value: Any, value_format: str) -> Any:
    if isinstance(value, str):
        try:
            if value_format == "date-time":
                return parse_date_time(value)
            if value_format == "duration":
                return timedelta(seconds=parse_duration(value))
            if value_format == "byte":
                return base64.b64decode(value, validate=True)
        except ValueError:
            return value  # the format's own validation names it
    return value


def _compile(source: str) -> Program:
    try:
        program: Program = cel.compile(source)
    except ValueError as error:
        raise ValueError(f"rule {source!r} does not compile: {error}") from error
    return program


def _context(variables: Mapping[str, Any]) -> Any:
    context = cel.Context()
    add_stdlib_to_context(context)
    for name, function in _FUNCTIONS.items():
        context.add_function(name, function)
    for name, value in variables.items():
        context.add_variable(name, value)
    return context


def _reading(error: Exception) -> str:
    return f"no such key: {error.args[0]}" if isinstance(error, KeyError) else str(error)


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


def _compare(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def _quantity(text: str) -> float:
    return float(parse_quantity(text))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "isSorted": lambda items: items == sorted(items),
    "find": _find,
    "findAll": _find_all,
    "quantity": _quantity,
    "isQuantity": _is_quantity,
    "isGreaterThan": lambda left, right: left > right,
    "isLessThan": lambda left, right: left < right,
    "compareTo": _compare,
}
"""Functions of Kubernetes' own CEL libraries. A quantity is a double here: exact to 53 bits."""
