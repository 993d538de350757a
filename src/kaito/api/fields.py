"""Bounded field types and validation rules, which the CRD schemas are generated from.

Every string, list and map of our kinds has a maximum: a CEL rule over an unbounded one exceeds the API server's cost
budget, and the CRD is refused.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

Text = Annotated[str, Field(max_length=1024)]
"""Free text of one line: messages, references."""

Name = Annotated[str, Field(max_length=253)]
"""Name of an object; no pattern, since the API server's own messages about names are better."""

LabelValue = Annotated[str, Field(max_length=63)]

Quantity = Annotated[
    str,
    BeforeValidator(str),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], "maxLength": 64}
    ),
]
"""A `resource.Quantity`, kept as it was written: `80Gi`, `500m`, or a number, which becomes text."""

Quantities = Annotated[dict[str, Quantity], Field(max_length=64)]
"""A resource list: resource name to quantity."""

Schemaless = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""An object that another API owns; kept as it is, whatever it holds."""


@dataclass(frozen=True)
class Rule:
    """A CEL rule on the object it stands at. `message` says what is wrong, `field_path` where, relative to the object.

    Keep to what both the API server's CEL and the Python one evaluate: `has()`, comparisons, `in`, `size()`, `all`,
    `exists`, `startsWith`, `oldSelf`.
    """

    rule: str
    message: str
    field_path: str = ""

    def wire(self) -> dict[str, str]:
        """Return the entry of `x-kubernetes-validations`."""
        entry = {"rule": self.rule, "message": self.message}
        if self.field_path:
            entry["fieldPath"] = self.field_path
        return entry


def rules(*entries: Rule) -> dict[str, Any]:
    """Return the `json_schema_extra` of a model or field that carries these rules."""
    return {"x-kubernetes-validations": [entry.wire() for entry in entries]}
