"""Label and field selectors: parsing, matching, and the JSON form `metav1.LabelSelector`.

Source of the grammar: Kubernetes' labels documentation, "Label selectors".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kaito.core.errors import KaitoError

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]

_SET = re.compile(r"^(?P<key>[^\s!=<>(),]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUALITY = re.compile(r"^(?P<key>[^\s!=<>(),]+)\s*(?P<operator>==|=|!=|>|<)\s*(?P<value>[^\s!=<>(),]*)$")
_EXISTENCE = re.compile(r"^(?P<absent>!?)\s*(?P<key>[^\s!=<>(),]+)$")
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")
_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_OPERATORS: dict[str, Operator] = {"=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt"}
_TEXT: dict[Operator, str] = {"Gt": ">", "Lt": "<"}


@dataclass(frozen=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether `labels` meet this condition; NotIn also holds where the label is absent."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case _:
                return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        try:
            left, right = int(value), int(self.values[0])
        except ValueError:
            return False
        return left > right if self.operator == "Gt" else left < right

    def __str__(self) -> str:
        if self.operator == "Exists":
            return self.key
        if self.operator == "DoesNotExist":
            return f"!{self.key}"
        if self.operator in _TEXT:
            return f"{self.key}{_TEXT[self.operator]}{self.values[0]}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator == 'In' else '!='}{self.values[0]}"
        return f"{self.key} {'in' if self.operator == 'In' else 'notin'} ({','.join(self.values)})"


@dataclass(frozen=True)
class Selector:
    """Conditions that must all hold; none selects everything, `nothing` nothing. `str` is the query form."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether an object with these labels is selected."""
        return not self.nothing and all(requirement.matches(labels) for requirement in self.requirements)

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "Selector":
        """Return the selector for objects that carry all of `labels`."""
        return cls(tuple(Requirement(key, "In", (value,)) for key, value in labels.items()))

    @classmethod
    def from_label_selector(cls, selector: Mapping[str, Any] | None) -> "Selector":
        """Read `metav1.LabelSelector` JSON: None selects nothing, an empty one everything, as in the Kubernetes API.

        Raises KaitoError InvalidSelector for an operator or values that the API does not allow.
        """
        if selector is None:
            return cls(nothing=True)
        requirements = [
            Requirement(key, "In", (value,)) for key, value in sorted((selector.get("matchLabels") or {}).items())
        ]
        requirements += [
            requirement(expression["key"], expression["operator"], expression.get("values") or ())
            for expression in selector.get("matchExpressions") or ()
        ]
        return cls(tuple(requirements))

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = Selector()


def requirement(key: str, operator: str, values: Sequence[str]) -> Requirement:
    """Return a checked requirement, from the words of the JSON forms of label selectors and node affinities."""
    if operator in ("In", "NotIn"):
        if not values:
            raise _invalid(key, f"operator {operator} needs at least one value")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            raise _invalid(key, f"operator {operator} takes no values")
    elif operator in ("Gt", "Lt"):
        if len(values) != 1 or not re.fullmatch(r"-?\d+", values[0]):
            raise _invalid(key, f"operator {operator} needs exactly one whole number")
    else:
        raise _invalid(key, f"operator {operator!r} is unknown")
    return Requirement(key, operator, tuple(values))  # type: ignore[arg-type]


def parse_selector(text: str) -> Selector:
    """Parse the query form: `a=b,c!=d,e in (x,y),f notin (z),g,!h`. Raises KaitoError InvalidSelector."""
    parts = [part.strip() for part in _COMMA_OUTSIDE_PARENTHESES.split(text)] if text.strip() else []
    return Selector(tuple(_parse_requirement(part, text) for part in parts))


def _parse_requirement(part: str, text: str) -> Requirement:
    if found := _SET.match(part):
        values = tuple(sorted(value.strip() for value in found["values"].split(",")))
        return Requirement(_checked(found["key"], text), "In" if found["operator"] == "in" else "NotIn", values)
    if found := _EQUALITY.match(part):
        return requirement(_checked(found["key"], text), _OPERATORS[found["operator"]], (found["value"],))
    if found := _EXISTENCE.match(part):
        return Requirement(_checked(found["key"], text), "DoesNotExist" if found["absent"] else "Exists")
    raise _invalid(text, f"{part!r} is not a requirement")


def _checked(key: str, text: str) -> str:
    if not _KEY.match(key):
        raise _invalid(text, f"{key!r} is not a label key")
    return key


def _invalid(where: str, what: str) -> KaitoError:
    return KaitoError(
        "InvalidSelector",
        f"selector {where!r}: {what}",
        terminal=True,
        remedy="Write it like `app=web,tier in (a,b),!old`.",
    )


@dataclass(frozen=True)
class FieldRequirement:
    """One condition of a field selector: the field's dotted path equals `value`, or differs from it."""

    path: str
    value: str
    equal: bool = True


def parse_field_selector(text: str) -> tuple[FieldRequirement, ...]:
    """Parse `metadata.name=x,status.phase!=Running`; backslashes escape `,`, `=` and themselves."""
    requirements = []
    for part in re.split(r"(?<!\\),", text):
        if not part.strip():
            continue
        found = re.match(r"^([^!=\s]+)(==|=|!=)(.*)$", part.strip())
        if found is None:
            raise _invalid(text, f"{part!r} is not a field requirement")
        value = re.sub(r"\\(.)", r"\1", found[3])
        requirements.append(FieldRequirement(found[1], value, found[2] != "!="))
    return tuple(requirements)
