"""CEL validation rules (`x-kubernetes-validations`): compiled once, run with `self` and `oldSelf`.

A rule that CEL cannot compile here is refused with its CustomResourceDefinition; one that fails to run fails the
objects it guards: a rule that cannot be checked is never skipped in silence.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from kaito.apiserver.schema.expressions import EVALUATION_ERRORS, Expression
from kaito.apiserver.schema.field_error import Cause, FieldError
from kaito.apiserver.schema.formats import parse_date_time, parse_duration

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


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule of a schema node. `cause` is that of its field errors; `field_path` is relative to the node."""

    expression: Expression
    message: str = ""
    message_expression: Expression | None = None
    cause: Cause = Cause.INVALID
    field_path: str = ""

    @classmethod
    def from_openapi(cls, rule: Mapping[str, Any]) -> Self:
        """Compile one `x-kubernetes-validations` entry. Raises ValueError when it is no CEL that runs here."""
        message_expression = rule.get("messageExpression", "")
        return cls(
            expression=Expression(rule["rule"].strip()),
            message=rule.get("message", "").strip(),
            message_expression=Expression(message_expression) if message_expression else None,
            cause=_CAUSES.get(rule.get("reason", ""), Cause.INVALID),
            field_path=rule.get("fieldPath", "").removeprefix("."),
        )

    @property
    def uses_old_self(self) -> bool:
        """Whether this is a transition rule, which needs the object before."""
        return "oldSelf" in self.expression.variables

    def check(self, node_type: str, variables: Mapping[str, Any], path: str) -> FieldError | None:
        """Evaluate with `self` (and `oldSelf`) already in CEL's terms (`cel_value`); return what is wrong."""
        try:
            if self.expression.evaluate(variables) is True:
                return None
        except EVALUATION_ERRORS as error:
            words = f"no such key: {error.args[0]}" if isinstance(error, KeyError) else str(error)
            rule = self.message or self.expression.source
            return FieldError(Cause.INVALID, path, node_type, f"{words} evaluating rule: {rule}")
        at = f"{path}.{self.field_path}" if self.field_path and path != "<nil>" else self.field_path or path
        return FieldError(self.cause, at, node_type, self._failure(variables))

    def _failure(self, variables: Mapping[str, Any]) -> str:
        if self.message_expression is not None:
            try:
                text = self.message_expression.evaluate(variables)
            except EVALUATION_ERRORS:
                text = None  # Kubernetes falls back to the message when its expression fails
            if isinstance(text, str) and text.strip() and "\n" not in text:
                return text
        return self.message or f"failed rule: {self.expression.source}"


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
