"""Label and field selectors: text from a query becomes a predicate over objects."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kaito.apiserver import status
from kaito.apiserver.resources import Resource
from kaito.core.errors import KaitoError
from kaito.core.objects import Object
from kaito.core.selectors import parse_field_selector, parse_selector

Predicate = Callable[[Object], bool]

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "apps/replicasets": ("status.replicas",),
    "batch/jobs": ("status.successful",),
    "services": ("spec.clusterIP", "spec.type"),
}
"""Fields that can be selected by, beside name and namespace. Source: the registries' `GetAttrs` of Kubernetes 1.32."""


def value_at(obj: Object, path: str) -> Any:
    """Return the value at a dotted path, or None."""
    value: Any = obj
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def label_predicate(selector: str) -> Predicate | None:
    """Return a predicate over the labels of an object, or None for the empty selector; 400 when it does not parse."""
    if not selector.strip():
        return None
    try:
        parsed = parse_selector(selector)
    except KaitoError as error:
        raise status.bad_request(f"unable to parse requirement: {error.message}") from None
    return lambda obj: parsed.matches(obj.get("metadata", {}).get("labels") or {})


def field_predicate(resource: Resource, selector: str) -> Predicate | None:
    """Return a predicate for a field selector, or None for the empty one; 400 for an unknown field."""
    if not selector.strip():
        return None
    own = _FIELDS.get(resource.storage_key, ())
    allowed = (*own, "metadata.name")
    if resource.namespaced or not (own or resource.custom):
        allowed = (*allowed, "metadata.namespace")  # others without namespaces take it, and find nothing
    if resource.custom:
        allowed = (*allowed, *resource.custom.selectable_fields)
    try:
        requirements = parse_field_selector(selector)
    except KaitoError as error:
        raise status.bad_request(f"invalid selector: {error.message}") from None
    for requirement in requirements:
        if requirement.path not in allowed and not own and not resource.custom:
            raise status.bad_request(
                f'"{requirement.path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )
        if requirement.path not in allowed:
            raise status.bad_request(f"field label not supported: {requirement.path}")
    return lambda obj: all(
        (field_value(resource, obj, wanted.path) == wanted.value) is wanted.equal for wanted in requirements
    )


def field_value(resource: Resource, obj: Object, name: str) -> str:
    """Return the value of a selectable field as the selector compares it: text, empty when unset."""
    if resource.storage_key == "events" and name == "source":
        value = value_at(obj, "source.component") or obj.get("reportingComponent")
    else:
        value = value_at(obj, name)
    if resource.plural == "nodes" and name == "spec.unschedulable":
        return "true" if value else "false"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def exact_name(selector: str) -> str | None:
    """Return the name that a field selector pins down, which spares a scan; None when it pins none."""
    match = re.fullmatch(r"metadata\.name==?([^,!=]+)", selector.strip())
    return match[1] if match else None


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """Return the conjunction of two optional predicates."""
    if first is None or second is None:
        return first or second
    return lambda obj: first(obj) and second(obj)
