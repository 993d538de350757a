"""Schemas of the built-in kinds, read from `builtin_types.yaml` (its head explains the notation)."""

from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from kaito.apiserver.schema.structural import ANYTHING, StructuralSchema

_SCALARS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "int32": {"type": "integer", "constraints": {"format": "int32"}},
    "int64": {"type": "integer", "constraints": {"format": "int64"}},
    "time": {"type": "string", "constraints": {"format": "date-time"}},
    "micro-time": {"type": "string", "constraints": {"format": "date-time"}},
    "byte": {"type": "string", "constraints": {"format": "byte"}},
    "quantity": {"type": "string", "constraints": {"format": "quantity"}},
    "int-or-string": {"int_or_string": True},
    "object": {"type": "object", "preserve_unknown_fields": True},
}
_KINDS = {
    ("v1", "Pod"): "core.v1.Pod",
    ("v1", "Service"): "core.v1.Service",
    ("v1", "ConfigMap"): "core.v1.ConfigMap",
    ("v1", "Secret"): "core.v1.Secret",
    ("v1", "Namespace"): "core.v1.Namespace",
    ("v1", "Node"): "core.v1.Node",
    ("v1", "ServiceAccount"): "core.v1.ServiceAccount",
    ("v1", "Endpoints"): "core.v1.Endpoints",
    ("v1", "Event"): "core.v1.Event",
    ("apps/v1", "Deployment"): "apps.v1.Deployment",
    ("apps/v1", "ReplicaSet"): "apps.v1.ReplicaSet",
    ("apps/v1", "StatefulSet"): "apps.v1.StatefulSet",
    ("apps/v1", "DaemonSet"): "apps.v1.DaemonSet",
    ("batch/v1", "Job"): "batch.v1.Job",
    ("policy/v1", "PodDisruptionBudget"): "policy.v1.PodDisruptionBudget",
    ("discovery.k8s.io/v1", "EndpointSlice"): "discovery.v1.EndpointSlice",
    ("coordination.k8s.io/v1", "Lease"): "coordination.v1.Lease",
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): "apiextensions.v1.CustomResourceDefinition",
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
    ): "admissionregistration.v1.ValidatingWebhookConfiguration",
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
    ): "admissionregistration.v1.MutatingWebhookConfiguration",
}
_TYPES: dict[str, StructuralSchema] = {}


def builtin_schema(api_version: str, kind: str) -> StructuralSchema | None:
    """Return the schema of a built-in kind; None for kinds that the table does not hold."""
    name = _KINDS.get((api_version, kind))
    return named_type(name) if name else None


def is_type(name: str) -> bool:
    """Return whether the table holds a type."""
    return name in _table()


def named_type(name: str) -> StructuralSchema:
    """Return a type of the table, such as `core.v1.PodSpec`. Types may refer to themselves. Raises KeyError."""
    if name not in _TYPES:
        schema = StructuralSchema(type="object", reference=name)
        _TYPES[name] = schema  # before its fields: JSONSchemaProps holds itself
        _fill(schema, _table()[name])
    return _TYPES[name]


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    text = resources.files(__package__).joinpath("builtin_types.yaml").read_text()
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    table: dict[str, str] = yaml.load(text, Loader=loader)  # noqa: S506 (a safe loader, in C where it is there)
    return table


def _fill(schema: StructuralSchema, entry: str) -> None:
    required = []
    for part in filter(None, (text.strip() for text in entry.split(";"))):
        if part == "atomic":
            schema.map_type = "atomic"
            continue
        name, _, notation = part.partition(" ")
        if name.endswith("!"):
            name = name.removesuffix("!")
            required.append(name)
        schema.properties[name] = _field(notation)
    schema.required = tuple(required)


def _field(notation: str) -> StructuralSchema:
    """Read `[core.v1.Container] map=name merge=name` and the like."""
    head, *marks = notation.split()
    shape = _shape(head)
    if not marks:
        return shape
    schema = StructuralSchema(**{name: getattr(shape, name) for name in shape.__dataclass_fields__})
    strategies: set[str] = set()
    for mark in marks:
        word, _, value = mark.partition("=")
        match word:
            case "":
                schema.default_value = value
            case "map":
                schema.list_type, schema.list_map_keys = "map", tuple(value.split(","))
            case "merge":
                schema.merge_key = value
                strategies.add(word)
            case "retainKeys":
                strategies.add(word)
            case "set" | "atomic" if schema.type == "array":
                schema.list_type = word
            case _:
                schema.map_type = word
    schema.patch_strategies = frozenset(strategies)
    return schema


def _shape(head: str) -> StructuralSchema:
    if head == "any":
        return ANYTHING
    if head.startswith("["):
        return StructuralSchema(type="array", items=_shape(head[1:-1]))
    if head.startswith("{"):
        return StructuralSchema(type="object", values=_shape(head[1:-1]))
    scalar = _SCALARS.get(head)
    return StructuralSchema(**scalar) if scalar is not None else named_type(head)
