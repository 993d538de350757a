"""Writes: Leases are kept, with optimistic locking; every other write is counted and changes nothing."""

from typing import Any

import orjson

from bench.replay.collection import Collection
from bench.replay.families import CREATED, uid
from bench.replay.route import Route
from bench.replay.world import World

WRITER = "bench/writer"
"""Annotation in a write by which its sender names himself."""


def write(world: World, route: Route, body: bytes) -> tuple[int, bytes]:
    """Return the answer to a write: status code and JSON."""
    obj: dict[str, Any] = orjson.loads(body) if body else {}
    if writer := obj.get("metadata", {}).get("annotations", {}).get(WRITER):
        world.wrote(writer)
    if route.collection.plural == "leases":
        return _write_lease(route, obj)
    if route.verb == "CREATE":
        return 201, orjson.dumps(_created(route.collection, obj))
    if route.name in route.collection.items:
        return 200, route.collection.render(route.name)
    return 404, _failure(404, "NotFound")


def _created(collection: Collection, obj: dict[str, Any]) -> dict[str, Any]:
    """Return the object with what a server adds. Nobody will see it again."""
    metadata = obj.setdefault("metadata", {})
    name = metadata.setdefault("name", metadata.get("generateName", "") + "made")
    return obj | {
        "kind": collection.kind,
        "apiVersion": collection.api_version,
        "metadata": metadata
        | {"uid": uid(name), "resourceVersion": str(next(collection.versions)), "creationTimestamp": CREATED},
    }


def _write_lease(route: Route, obj: dict[str, Any]) -> tuple[int, bytes]:
    leases, name = route.collection, route.name or obj.get("metadata", {}).get("name", "")
    exists = name in leases.items
    if route.verb == "DELETE" and exists:
        leases.remove(name)
        return 200, orjson.dumps({"kind": "Status", "apiVersion": "v1", "status": "Success"})
    if route.verb == "CREATE" and exists:
        return 409, _failure(409, "AlreadyExists")
    if route.verb == "UPDATE" and not exists:
        return 404, _failure(404, "NotFound")
    if route.verb not in ("CREATE", "UPDATE"):
        return 405, _failure(405, "MethodNotAllowed")
    if exists and obj["metadata"].get("resourceVersion", "") not in ("", str(leases.items[name].version)):
        return 409, _failure(409, "Conflict")
    obj = {**obj, "apiVersion": leases.api_version, "kind": leases.kind}
    obj["metadata"] = {**obj["metadata"], "uid": uid(name), "creationTimestamp": CREATED, "namespace": "default"}

    def render(_name: str, version: int, _at: float) -> bytes:
        return orjson.dumps({**obj, "metadata": {**obj["metadata"], "resourceVersion": str(version)}})

    return 201 if route.verb == "CREATE" else 200, leases.put(name, render)


def _failure(code: int, reason: str) -> bytes:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": reason,
        "reason": reason,
        "code": code,
    }
    return orjson.dumps(status)
