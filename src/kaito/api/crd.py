"""The CustomResourceDefinitions, generated from the models; `manifests/crds/` holds them as files."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final

import yaml

from kaito.api.machine import MACHINE_RESOURCE
from kaito.api.resource import CustomResource, PrinterColumn
from kaito.api.schema import structural_schema
from kaito.api.workspace import WORKSPACE_RESOURCE, WORKSPACE_V1ALPHA1

RESOURCES: Final[tuple[CustomResource[Any], ...]] = (WORKSPACE_RESOURCE, WORKSPACE_V1ALPHA1, MACHINE_RESOURCE)
"""Every version of every kind of ours; versions of one kind stand together."""

_HEADER = "# Generated from src/kaito/api by `kaito crds`. Do not edit.\n"


def crds(resources: Iterable[CustomResource[Any]] = RESOURCES) -> list[dict[str, Any]]:
    """Return the CustomResourceDefinition of each kind, all its versions in it."""
    return [_crd(list(versions)) for _, versions in groupby(resources, key=lambda resource: resource.crd_name)]


def crd_files() -> dict[str, str]:
    """Return what `manifests/crds/` holds: file name to YAML text, the same bytes every time."""
    return {f"{crd['metadata']['name']}.yaml": _HEADER + to_yaml(crd) for crd in crds()}


def to_yaml(document: dict[str, Any]) -> str:
    """Return a document as YAML, keys in their order, nothing aliased."""
    dumper = yaml.SafeDumper
    lines = yaml.dump(_unshared(document), Dumper=dumper, sort_keys=False, width=110, allow_unicode=True)
    return str(lines)


def _crd(versions: list[CustomResource[Any]]) -> dict[str, Any]:
    first = versions[0]
    names: dict[str, Any] = {
        "kind": first.kind,
        "listKind": f"{first.kind}List",
        "plural": first.plural,
        "singular": first.singular,
    }
    if first.short_names:
        names["shortNames"] = list(first.short_names)
    if first.categories:
        names["categories"] = list(first.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": first.crd_name},
        "spec": {
            "group": first.group,
            "names": names,
            "scope": "Namespaced" if first.namespaced else "Cluster",
            "versions": [_version(resource) for resource in versions],
        },
    }


def _version(resource: CustomResource[Any]) -> dict[str, Any]:
    schema = structural_schema(resource.model)
    schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    entry: dict[str, Any] = {"name": resource.version, "served": resource.served, "storage": resource.storage}
    if resource.deprecation:
        entry |= {"deprecated": True, "deprecationWarning": resource.deprecation}
    if "status" in schema["properties"]:
        entry["subresources"] = {"status": {}}
    entry["additionalPrinterColumns"] = [_column(column) for column in resource.columns]
    entry["schema"] = {"openAPIV3Schema": schema}
    return entry


def _column(column: PrinterColumn) -> dict[str, Any]:
    fields = asdict(column)
    entry = {"name": fields["name"], "type": fields["type"], "jsonPath": fields["json_path"]}
    return entry | {key: fields[key] for key in ("description", "priority", "format") if fields[key]}


def _unshared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list | tuple) else value
