"""The stored form of an object and the version in which it is served. Custom versions differ in apiVersion alone."""

import orjson

from kaito.apiserver.kinds import event
from kaito.apiserver.resources import Resource
from kaito.core.objects import Object


def stored_version(resource: Resource) -> str:
    """Return the apiVersion under which objects of the resource are stored."""
    if resource.custom:
        return f"{resource.group}/{resource.custom.storage_version}"
    return "v1" if resource.storage_key == "events" else resource.api_version


def stored_form(resource: Resource, obj: Object) -> Object:
    """Return the object as it is stored, apiVersion and kind first."""
    if resource.storage_key == "events" and resource.group:
        obj = event.to_core(obj)
    rest = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind")}
    return {"apiVersion": stored_version(resource), "kind": resource.kind, **rest}


def served_form(resource: Resource, stored: Object) -> Object:
    """Return a stored object in the version of the resource."""
    if stored["apiVersion"] == resource.api_version:
        return stored
    if resource.storage_key == "events":
        return event.from_core(stored)
    stored["apiVersion"] = resource.api_version
    if resource.custom and resource.schema is not None:
        resource.schema.prune(stored)
        stored = resource.schema.default(stored)
    return stored


def served_body(resource: Resource, body: bytes) -> bytes:
    """Return stored JSON in the version of the resource; nothing is decoded when it is the stored one."""
    if body.startswith(b'{"apiVersion":"%s",' % resource.api_version.encode()):
        return body
    return orjson.dumps(served_form(resource, orjson.loads(body)))
