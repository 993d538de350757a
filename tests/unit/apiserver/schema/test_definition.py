"""Which schemas a CustomResourceDefinition may have."""

from typing import Any

import pytest

from kaito.api.crd import crds
from kaito.apiserver.schema import definition_errors


def errors(**spec: Any) -> list[str]:
    schema = {"type": "object", "properties": {"spec": spec}}
    return [str(error) for error in definition_errors(schema, "schema")]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"properties": {"a": {"type": "string"}}}, "schema.properties[spec].type: Required value"),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": {}}}},
            "schema.properties[spec].properties[a].items.type: Required value",
        ),
        ({"type": "string", "maxLength": 1, "default": "red"}, "schema.properties[spec].default: Invalid value"),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "x-kubernetes-validations": [{"rule": "has(self.b) && self.a == 'self.c'"}],
            },
            "undefined field 'b'",
        ),
    ],
)
def test_a_schema_that_is_not_structural_or_contradicts_itself(spec: dict[str, Any], said: str) -> None:
    [error] = errors(**spec)
    assert said in error


@pytest.mark.parametrize(
    "spec",
    [
        {"x-kubernetes-int-or-string": True},
        {"x-kubernetes-preserve-unknown-fields": True},
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "x-kubernetes-validations": [{"rule": "self.x == ''"}],
        },
        {"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [{"rule": "self.all(x, x != '')"}]},
        {"type": "string", "default": "red", "x-kubernetes-validations": [{"rule": "self.startsWith('r')"}]},
    ],
)
def test_a_schema_that_is_right(spec: dict[str, Any]) -> None:
    assert errors(**spec) == []


def test_a_rule_at_the_root_may_name_the_metadata() -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.metadata.name != self.spec"}],
    }
    assert list(definition_errors(schema, "schema")) == []


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["metadata"]["name"])
def test_our_own_definitions_are_right(crd: dict[str, Any]) -> None:
    for version in crd["spec"]["versions"]:
        assert list(definition_errors(version["schema"]["openAPIV3Schema"], "schema")) == []
