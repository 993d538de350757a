"""The published OpenAPI: what kubectl reads for `explain`, for apply's field validation and for strategic merges.

Kinds are described as plain data (`PublishedKind`), so that the HTTP layer decides what is published and when.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaito.apiserver.schema.builtin import named_type
from kaito.apiserver.schema.structural import StructuralSchema

_PREFIXES = {
    "meta": "io.k8s.apimachinery.pkg.apis.",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.",
}
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_SCALARS: dict[str, dict[str, Any]] = {
    _INT_OR_STRING: {"format": "int-or-string", "description": "A number, or a name or percentage."},
    _QUANTITY: {"description": "A fixed-point number with a unit, such as 500m or 1Gi."},
}
_ONE_OF: dict[str, dict[str, Any]] = {
    _INT_OR_STRING: {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    _QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
}
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_BUILTIN_PATCHES = (*_PATCHES, "application/strategic-merge-patch+json")
"""kubectl sends what is offered here, and only built-in kinds take a strategic merge."""
_COLLECTION = {"get": "list", "post": "post"}
_SUBRESOURCE = {"get": "get", "put": "put", "patch": "patch"}
_ITEM = {**_SUBRESOURCE, "delete": "delete"}
"""The verbs of each kind of path, and what `x-kubernetes-action` calls them."""


@dataclass(frozen=True)
class PublishedKind:
    """One resource of a group version; `schema` is None for a kind whose structure nobody described."""

    plural: str
    kind: str
    namespaced: bool
    schema: StructuralSchema | None = None
    subresources: tuple[str, ...] = ()


def openapi_v3_document(group_version: str, kinds: Sequence[PublishedKind]) -> dict[str, Any]:
    """Return the document of `/openapi/v3/apis/<group>/<version>` (or `/openapi/v3/api/v1`)."""
    definitions = _Definitions("#/components/schemas/", v3=True)
    paths: dict[str, Any] = {}
    for kind in kinds:
        name = definitions.add_kind(group_version, kind)
        paths.update(_paths(group_version, kind, {"$ref": "#/components/schemas/" + name}, v3=True))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": definitions.finished()},
    }


def openapi_v2_document(groups: Mapping[str, Sequence[PublishedKind]]) -> dict[str, Any]:
    """Return the document of `/openapi/v2` for all group versions at once."""
    definitions = _Definitions("#/definitions/", v3=False)
    paths: dict[str, Any] = {}
    for group_version, kinds in groups.items():
        for kind in kinds:
            name = definitions.add_kind(group_version, kind)
            paths.update(_paths(group_version, kind, {"$ref": "#/definitions/" + name}, v3=False))
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "definitions": definitions.finished(),
    }


def definition_name(group_version: str, kind: str) -> str:
    """Return a custom kind's definition name: `kaito.sh/v1alpha1` Workspace is `sh.kaito.v1alpha1.Workspace`."""
    group, _, version = group_version.rpartition("/")
    return ".".join([*reversed(group.split(".")), version, kind]) if group else f"{version}.{kind}"


class _Definitions:
    """Collects definitions, following references to built-in types."""

    def __init__(self, prefix: str, *, v3: bool) -> None:
        self._prefix = prefix
        self._v3 = v3
        self._done: dict[str, Any] = {}
        self._kinds: dict[str, list[dict[str, str]]] = {}

    def add_kind(self, group_version: str, kind: PublishedKind) -> str:
        """Add a kind; return the name of its definition."""
        schema = kind.schema or StructuralSchema(type="object", preserve_unknown_fields=True)
        group, _, version = group_version.rpartition("/")
        if schema.reference:
            name = _full_name(schema.reference)
            self._add_type(schema.reference)
        else:
            name = definition_name(group_version, kind.kind)
            self._done[name] = self._node(schema)
        self._kinds.setdefault(name, []).append({"group": group, "kind": kind.kind, "version": version})
        return name

    def finished(self) -> dict[str, Any]:
        """Return all definitions by name."""
        for name, kinds in self._kinds.items():
            self._done[name]["x-kubernetes-group-version-kind"] = kinds
        return dict(sorted(self._done.items()))

    def _add_type(self, reference: str) -> None:
        name = _full_name(reference)
        if name not in self._done:
            self._done[name] = {}
            self._done[name].update(self._structure(named_type(reference)))

    def _node(self, schema: StructuralSchema) -> dict[str, Any]:
        scalar = _named_scalar(schema)
        if scalar:
            self._done[scalar] = {**_SCALARS[scalar], **(_ONE_OF[scalar] if self._v3 else {"type": "string"})}
            link = {"$ref": self._prefix + scalar}
            return {"allOf": [link]} if self._v3 else link
        if not schema.reference:
            return self._structure(schema)
        self._add_type(schema.reference)
        link = {"$ref": self._prefix + _full_name(schema.reference)}
        return {"allOf": [link], "default": {}} if self._v3 else link

    def _structure(self, schema: StructuralSchema) -> dict[str, Any]:
        node = _described(schema)
        if schema.int_or_string:
            node["x-kubernetes-int-or-string"] = True
        if schema.properties:
            node["properties"] = {name: self._node(child) for name, child in schema.properties.items()}
        if schema.values is not None:
            node["additionalProperties"] = self._node(schema.values)
        if schema.items is not None:
            node["items"] = self._node(schema.items)
        if self._v3:
            for word, parts in (("allOf", schema.all_of), ("anyOf", schema.any_of), ("oneOf", schema.one_of)):
                if parts:
                    node[word] = [self._structure(part) for part in parts]
        return node


def _described(schema: StructuralSchema) -> dict[str, Any]:
    """Return what a node says besides its children: description, type, limits and Kubernetes' extensions."""
    node: dict[str, Any] = {}
    if schema.source.get("description"):
        node["description"] = schema.source["description"]
    if schema.type:
        node["type"] = schema.type
    node.update(schema.constraints)
    if schema.required:
        node["required"] = list(schema.required)
    if schema.has_default:
        node["default"] = schema.default_value
    if schema.nullable:
        node["nullable"] = True
    node.update(_extensions(schema))
    return node


def _extensions(schema: StructuralSchema) -> Iterator[tuple[str, Any]]:
    if schema.preserve_unknown_fields:
        yield "x-kubernetes-preserve-unknown-fields", True
    if schema.embedded_resource:
        yield "x-kubernetes-embedded-resource", True
    if schema.type == "array" and (schema.list_type != "atomic" or not schema.source):
        yield "x-kubernetes-list-type", schema.list_type
    if schema.list_map_keys:
        yield "x-kubernetes-list-map-keys", list(schema.list_map_keys)
    if schema.map_type != "granular":
        yield "x-kubernetes-map-type", schema.map_type
    if schema.merge_key:
        yield "x-kubernetes-patch-merge-key", schema.merge_key
    if schema.patch_strategies:
        yield "x-kubernetes-patch-strategy", ",".join(sorted(schema.patch_strategies))


def _named_scalar(schema: StructuralSchema) -> str:
    """Return the name under which Kubernetes publishes a scalar of the built-in kinds; empty for plain ones."""
    if schema.source:
        return ""
    if schema.int_or_string:
        return _INT_OR_STRING
    return _QUANTITY if schema.constraints.get("format") == "quantity" else ""


def _full_name(reference: str) -> str:
    return _PREFIXES.get(reference.partition(".")[0], "io.k8s.api.") + reference


def _paths(group_version: str, kind: PublishedKind, link: dict[str, str], *, v3: bool) -> dict[str, Any]:
    group, _, version = group_version.rpartition("/")
    identity = {"group": group, "kind": kind.kind, "version": version}
    root = f"/apis/{group_version}" if group else f"/api/{version}"
    collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    patches = _BUILTIN_PATCHES if kind.schema is not None and kind.schema.reference else _PATCHES
    actions = {collection: _COLLECTION, f"{collection}/{{name}}": _ITEM}
    actions |= {f"{collection}/{{name}}/{subresource}": _SUBRESOURCE for subresource in kind.subresources}
    return {
        path: {verb: _operation(verb, action, identity, link, patches, v3=v3) for verb, action in verbs.items()}
        for path, verbs in actions.items()
    }


def _operation(
    verb: str, action: str, identity: dict[str, str], link: dict[str, str], patches: tuple[str, ...], *, v3: bool
) -> dict[str, Any]:
    response = {"content": {"application/json": {"schema": link}}} if v3 else {"schema": link}
    operation: dict[str, Any] = {
        "responses": {"200": {"description": "OK", **response}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": identity,
    }
    if verb in {"post", "put", "patch"}:
        names = ("dryRun", "fieldManager", "fieldValidation")
        operation["parameters"] = [_query(name, v3=v3) for name in names]
    if verb == "patch":
        operation["parameters"].append(_query("force", v3=v3, kind="boolean"))
        operation.update(_consumes(patches, v3=v3))
    return operation


def _query(name: str, *, v3: bool, kind: str = "string") -> dict[str, Any]:
    shape: dict[str, Any] = (
        {"schema": {"type": kind, "uniqueItems": True}} if v3 else {"type": kind, "uniqueItems": True}
    )
    return {"name": name, "in": "query", **shape}


def _consumes(types: tuple[str, ...], *, v3: bool) -> dict[str, Any]:
    if v3:
        return {"requestBody": {"content": {name: {"schema": {"type": "object"}} for name in types}}}
    return {"consumes": list(types)}
