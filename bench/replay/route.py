"""What a request means: verb, resource, object."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bench.replay.collection import Collection
from bench.replay.world import World

_VERBS: Final = {"POST": "CREATE", "PUT": "UPDATE", "PATCH": "PATCH", "DELETE": "DELETE"}


@dataclass(frozen=True)
class Route:
    """One request. `selected` is the only object that a list or watch is about, if not all."""

    verb: str
    collection: Collection
    name: str = ""
    subresource: str = ""
    selected: str = ""


def route_of(world: World, request: web.Request) -> Route | None:
    """Return what a request means; None for a path that is not served."""
    parts = request.path.strip("/").split("/")
    depth = 2 if parts[0] == "api" else 3
    group, rest = parts[:depth], parts[depth:]
    if len(rest) >= 3 and rest[0] == "namespaces":
        rest = rest[2:]
    if not rest or (collection := world.collections.get(f"/{'/'.join(group)}/{rest[0]}")) is None:
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if request.method == "GET":
        if name:
            return Route("GET", collection, name, subresource)
        watching = request.query.get("watch", "") in ("true", "1")
        return Route("WATCH" if watching else "LIST", collection, selected=_selected(request))
    return Route(_VERBS.get(request.method, request.method), collection, name, subresource)


def _selected(request: web.Request) -> str:
    field, _, name = request.query.get("fieldSelector", "").partition("=")
    return name.lstrip("=") if field == "metadata.name" else ""
