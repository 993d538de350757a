"""The structural schema: the shape of an object, which lists are sets or maps, and what its fields may hold.

CustomResourceDefinitions are read from their OpenAPI v3 schema (`StructuralSchema.from_openapi`), built-in kinds from
the table in `builtin_types.yaml` (`builtin.py`). Both feed defaulting, pruning, validation, strategic merge, field
ownership and the published OpenAPI.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from kaito.apiserver.schema import defaulting, pruning, validation
from kaito.apiserver.schema.field_error import FieldError
from kaito.apiserver.schema.rules import Rule
from kaito.core.objects import Object

CONSTRAINTS = (
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
"""JSON schema keywords that limit the value of one field."""

MISSING = object()


@dataclass(eq=False)
class StructuralSchema:
    """One node of a structural schema; `type` is empty for any JSON value. Treat as immutable: nodes are shared."""

    type: str = ""
    properties: dict[str, "StructuralSchema"] = field(default_factory=dict)
    values: "StructuralSchema | None" = None
    """Schema of a map's values (`additionalProperties`)."""
    items: "StructuralSchema | None" = None
    required: tuple[str, ...] = ()
    nullable: bool = False
    preserve_unknown_fields: bool = False
    int_or_string: bool = False
    embedded_resource: bool = False
    default_value: Any = MISSING
    list_type: str = "atomic"
    list_map_keys: tuple[str, ...] = ()
    map_type: str = "granular"
    merge_key: str = ""
    patch_strategies: frozenset[str] = frozenset()
    constraints: dict[str, Any] = field(default_factory=dict)
    all_of: tuple["StructuralSchema", ...] = ()
    any_of: tuple["StructuralSchema", ...] = ()
    one_of: tuple["StructuralSchema", ...] = ()
    none_of: "StructuralSchema | None" = None
    rules: tuple[Rule, ...] = ()
    reference: str = ""
    """Name of the built-in type this node stands for; empty for inline ones."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """The OpenAPI that this node was read from (CustomResourceDefinitions only)."""

    @classmethod
    def from_openapi(cls, openapi: Mapping[str, Any], *, root: bool = True) -> "StructuralSchema":
        """Read an `openAPIV3Schema`. A `root` gets apiVersion, kind and the metadata of every object.

        Raises ValueError when a CEL rule or a pattern does not compile.
        """
        schema = _read(openapi)
        return _with_object_fields(schema) if root else schema

    @property
    def has_default(self) -> bool:
        """Whether an absent field is filled in."""
        return self.default_value is not MISSING

    @property
    def is_associative_list(self) -> bool:
        """Whether the list's items are addressed by their keys."""
        return self.list_type == "map" and bool(self.list_map_keys)

    def child(self, name: str) -> "StructuralSchema":
        """Return the schema of a field or map value; unknown ones are any JSON, owned as a whole below maps of maps."""
        return self.properties.get(name) or self.values or ANYTHING

    def default(self, obj: Object) -> Object:
        """Return `obj` with absent fields set to their defaults and null non-nullable fields dropped. A new object."""
        return cast("Object", defaulting.defaulted(obj, self))

    def default_nulls(self, obj: Object) -> Object:
        """Return a copy of `obj` with defaults in the place of nulls alone; nulls without a default stay."""
        return cast("Object", defaulting.with_defaults_for_null(obj, self))

    def prune(self, obj: Object) -> list[str]:
        """Drop from `obj`, in place, all fields the schema does not know; return their paths (`spec.foo[0].bar`)."""
        return pruning.prune(obj, self)

    def validate(self, obj: Object, old: Object | None = None, known: Sequence[FieldError] = ()) -> list[FieldError]:
        """Return all that is wrong with `obj`, after what is `known` to be.

        `old` is the object it replaces, for rules that speak of `oldSelf`.
        """
        return validation.validate(obj, self, old, known)


ANYTHING = StructuralSchema(preserve_unknown_fields=True)
"""The schema of a value that nobody described."""


_API_VERSION = StructuralSchema(
    type="string", source={"description": "The versioned schema of this representation of an object."}
)
_KIND = StructuralSchema(type="string", source={"description": "The kind of resource that this object represents."})


def _read(openapi: Mapping[str, Any]) -> StructuralSchema:
    extra = openapi.get("additionalProperties")
    items = openapi.get("items")
    embedded = bool(openapi.get("x-kubernetes-embedded-resource"))
    schema = StructuralSchema(
        type=openapi.get("type", ""),
        properties={name: _read(node) for name, node in openapi.get("properties", {}).items()},
        values=_read(extra) if isinstance(extra, Mapping) else (ANYTHING if extra is True else None),
        items=_read(items) if isinstance(items, Mapping) else None,
        required=tuple(openapi.get("required", ())),
        nullable=bool(openapi.get("nullable")),
        preserve_unknown_fields=bool(openapi.get("x-kubernetes-preserve-unknown-fields")),
        int_or_string=bool(openapi.get("x-kubernetes-int-or-string")),
        embedded_resource=embedded,
        default_value=openapi.get("default", MISSING),
        list_type=openapi.get("x-kubernetes-list-type", "atomic"),
        list_map_keys=tuple(openapi.get("x-kubernetes-list-map-keys", ())),
        map_type=openapi.get("x-kubernetes-map-type", "granular"),
        constraints={name: openapi[name] for name in CONSTRAINTS if name in openapi},
        all_of=tuple(_read(node) for node in openapi.get("allOf", ())),
        any_of=tuple(_read(node) for node in openapi.get("anyOf", ())),
        one_of=tuple(_read(node) for node in openapi.get("oneOf", ())),
        none_of=_read(openapi["not"]) if "not" in openapi else None,
        rules=tuple(Rule.from_openapi(rule) for rule in openapi.get("x-kubernetes-validations", ())),
        source=openapi,
    )
    return _with_object_fields(schema) if embedded else schema


def _with_object_fields(schema: StructuralSchema) -> StructuralSchema:
    from kaito.apiserver.schema.builtin import named_type  # the table is made of these nodes

    schema.properties = {
        **schema.properties,
        "apiVersion": _API_VERSION,
        "kind": _KIND,
        "metadata": named_type("meta.v1.ObjectMeta"),
    }
    return schema
