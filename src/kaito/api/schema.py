"""Turns a pydantic model into the structural OpenAPI v3 schema that a CustomResourceDefinition carries.

A structural schema has a type at every level, no references, and no `anyOf` but that of int-or-string; so references
are inlined and "or null" is dropped (an absent field says the same).
"""

from typing import Any

from pydantic import BaseModel

JsonSchema = dict[str, Any]

_KEPT = (
    "type",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)
_UNTYPED = {"apiVersion", "kind", "metadata"}
_METADATA = {"type": "object", "properties": {"name": {"type": "string"}}}
"""The API server knows the rest; the name is there for rules to point at."""


def structural_schema(model: type[BaseModel]) -> JsonSchema:
    """Return the schema of a whole object of this model. Raises ValueError for a field that has no structural form."""
    source = model.model_json_schema(by_alias=True, mode="validation")
    schema = _convert(source, source.get("$defs", {}), model.__name__)
    for name in _UNTYPED & set(schema["properties"]):
        schema["properties"][name] = dict(_METADATA if name == "metadata" else {"type": "string"})
    if "required" in schema:
        schema["required"] = [name for name in schema["required"] if name not in _UNTYPED]
    if "status" in schema["properties"]:
        _drop_defaults(schema["properties"]["status"])
    return schema


def _convert(source: JsonSchema, definitions: dict[str, JsonSchema], path: str) -> JsonSchema:
    source = _resolve(source, definitions, path)
    schema: JsonSchema = {}
    if description := source.get("description"):
        schema["description"] = " ".join(description.split())
    if "const" in source:
        source = {**source, "enum": [source["const"]]}
    schema |= {key: source[key] for key in _KEPT if key in source}
    schema |= {key: value for key, value in source.items() if key.startswith("x-kubernetes-")}
    if "x-kubernetes-int-or-string" in source:
        schema["anyOf"] = source["anyOf"]
    elif "type" not in source:
        raise ValueError(f"{path} has no single type: {source}")
    if isinstance(source.get("default"), str | int | float) and source["default"]:
        # An empty default says what absence says, and that of an object would fill it with nulls.
        schema["default"] = source["default"]
    if properties := source.get("properties"):
        schema["properties"] = {
            name: _convert(value, definitions, f"{path}.{name}") for name, value in properties.items()
        }
        if required := source.get("required"):
            schema["required"] = list(required)
    if items := source.get("items"):
        schema["items"] = _convert(items, definitions, f"{path}[]")
    if isinstance(values := source.get("additionalProperties"), dict):
        schema["additionalProperties"] = _convert(values, definitions, f"{path}{{}}")
    return schema


def _resolve(source: JsonSchema, definitions: dict[str, JsonSchema], path: str) -> JsonSchema:
    """Inline `$ref` and `allOf` of one, and take the other side of "or null"; what stands beside them wins."""
    while True:
        beside = {key: value for key, value in source.items() if key not in {"$ref", "anyOf", "allOf"}}
        if reference := source.get("$ref"):
            inner = definitions[reference.rpartition("/")[2]]
        elif "anyOf" in source and "x-kubernetes-int-or-string" not in source:
            choices = [choice for choice in source["anyOf"] if choice.get("type") != "null"]
            if len(choices) != 1:
                raise ValueError(f"{path} has no single type: {source['anyOf']}")
            inner = choices[0]
        else:
            return source
        merged = _merge_rules(inner, beside)
        source = {**inner, **beside, **merged}


def _merge_rules(inner: JsonSchema, beside: JsonSchema) -> JsonSchema:
    """Rules of a model and rules of the field that holds it add up."""
    key = "x-kubernetes-validations"
    both = [*inner.get(key, ()), *beside.get(key, ())]
    return {key: both} if both else {}


def _drop_defaults(schema: JsonSchema) -> None:
    """Defaults in a status would be written into every object that has one."""
    schema.pop("default", None)
    for child in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
        if child:
            _drop_defaults(child)
