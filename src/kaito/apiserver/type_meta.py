"""What a body says it is: its apiVersion and kind, and how wrong ones are refused.

A built-in type takes the path's for what is not said; a custom resource must say both. Source of rules and words:
apimachinery `runtime/serializer/json` and `unstructured`, apiserver `endpoints/handlers`, apiextensions-apiserver's
`validator.go`; tried on kube-apiserver 1.34.
"""

from typing import Any

import orjson

from kaito.apiserver import status
from kaito.apiserver.request import WrongTypeError, part
from kaito.apiserver.resources import BUILTIN_RESOURCES, Resource
from kaito.apiserver.schema import invalid, invalid_error
from kaito.core.errors import InvalidError
from kaito.core.objects import Object

_SHOWN_BYTES = 30
_GO_TYPES = {bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_BUILTIN = {
    (resource.api_version, kind) for resource in BUILTIN_RESOURCES for kind in (resource.kind, resource.list_kind_name)
}


def settle_written(body: Object, raw: bytes, resource: Resource, *, status_only: bool = False) -> Object:
    """Return the body of a create or update with the resource's apiVersion and kind; 400 or 422 when it has others.

    `raw` is the body as it came. What is written to the status of a custom resource may have another kind.
    """
    wrong = _unreadable(body) or (_without_kind(body, raw) if resource.custom else "")
    if wrong:
        words = f"the object provided is unrecognized (must be of type {resource.kind}): {wrong}"
        raise status.bad_request(f"{words} ({_summary(raw)})")
    if not resource.custom:
        _complete(body, resource)
        if wrong := _other_type(body, resource):
            version = body["apiVersion"].rpartition("/")[2]
            words = f'{body["kind"]} in version "{version}" cannot be handled as a {resource.kind}'
            raise status.bad_request(f"{words}: {wrong}")
        return body
    api_version = body.get("apiVersion", "")
    if api_version is None:
        words = f'{body["kind"]} in version "" cannot be handled as a {resource.kind}'
        raise status.bad_request(f"{words}: .apiVersion accessor error: <nil> is of the type <nil>, expected string")
    if api_version != resource.api_version:
        words = f"the API version in the data ({api_version}) does not match the expected API version"
        raise status.bad_request(f"{words} ({resource.api_version})")
    if body["kind"] != resource.kind and not status_only:
        raise _must_be("kind", resource.kind, body)
    body["kind"] = resource.kind
    return body


def settle_patched(obj: Object, resource: Resource) -> Object:
    """Return an object that a patch made with the resource's apiVersion and kind; 422 or 500 when it has others.

    Raises WrongTypeError for what cannot be read as an object of the resource at all.
    """
    wrong = _unreadable(obj)
    if resource.custom:
        wrong = wrong or _without_kind(obj, orjson.dumps(obj))
    else:
        _complete(obj, resource)
        wrong = wrong or _other_type(obj, resource)
    if wrong:
        raise WrongTypeError(wrong)
    if not obj.get("apiVersion"):
        raise status.internal("Object 'apiVersion' is missing in 'object has no apiVersion field'")
    for field, own in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if obj[field] != own:
            raise _must_be(field, own, obj)
    return obj


def _unreadable(body: Object) -> str:
    """Return why apiVersion and kind cannot be read; empty when they can, or are absent."""
    for name in ("apiVersion", "kind"):
        value: Any = body.get(name)
        if value is not None and not isinstance(value, str):
            words = f"cannot unmarshal {_GO_TYPES[type(value)]} into Go struct field .{name} of type string"
            return f"couldn't get version/kind; json parse error: json: {words}"
    api_version = body.get("apiVersion") or ""
    return f"unexpected GroupVersion string: {api_version}" if api_version.count("/") > 1 else ""


def _without_kind(body: Object, raw: bytes) -> str:
    return "" if body.get("kind") else f"Object 'Kind' is missing in '{raw.decode(errors='replace')}'"


def _complete(body: Object, resource: Resource) -> None:
    body["apiVersion"] = body.get("apiVersion") or resource.api_version
    body["kind"] = body.get("kind") or resource.kind


def _other_type(body: Object, resource: Resource) -> str:
    """Return why an object of a built-in resource is none of it; empty when it is one."""
    api_version, kind = body["apiVersion"], body["kind"]
    if (api_version, kind) == (resource.api_version, resource.kind):
        return ""
    if (api_version, kind) not in _BUILTIN:
        scheme = 'in scheme "pkg/runtime/scheme.go:110"'
        return f'no kind "{kind}" is registered for version "{api_version}" {scheme}'
    internal = resource.group.partition(".")[0] or "core"
    version = api_version.rpartition("/")[2]
    return f"converting ({version}.{kind}) to ({internal}.{resource.kind}): unknown conversion"


def _must_be(field: str, own: str, obj: Object) -> InvalidError:
    group = obj["apiVersion"].rpartition("/")[0]
    name = part(obj, "metadata").get("name", "")
    return invalid_error(group, obj["kind"], name, [invalid(field, obj[field], f"must be {own}")])


def _summary(raw: bytes) -> str:
    """Return the beginning of a body: JSON as it is, everything else in hexadecimal digits."""
    head = raw[:_SHOWN_BYTES]
    shown = head.decode(errors="replace") if raw.startswith(b"{") else head.hex()
    return f"{shown} ..." if len(raw) > _SHOWN_BYTES else shown
