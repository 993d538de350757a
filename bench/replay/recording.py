"""Recordings of a real server as JSON lines, and how they are served again.

The first kind of line is a list: `{"list": PATH, "kind", "apiVersion", "items": […]}`; the other an event:
`{"after": SECONDS, "path": PATH, "type": …, "object": {…}}`, in the order of their arrival.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from bench.replay.world import World

Line = dict[str, Any]


def read(path: Path) -> Iterator[Line]:
    """Yield the lines of a recording."""
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)


def replaying(world: World, path: Path, speed: float) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a context for the server that fills `world` from a recording and plays its events."""

    async def context(_app: web.Application) -> AsyncIterator[None]:
        events = []
        for line in read(path):
            if "list" in line:
                load(world, line)
            else:
                events.append(line)
        playing = asyncio.create_task(play(world, events, speed))
        yield
        playing.cancel()

    return context


def load(world: World, line: Line) -> None:
    """Serve a recorded list."""
    collection = world.collection(line["apiVersion"], line["kind"], line["list"].rpartition("/")[2])
    for obj in line["items"]:
        named = {**obj, "kind": line["kind"], "apiVersion": line["apiVersion"]}
        collection.put(obj["metadata"]["name"], _renderer(named), silent=True)
    collection.oldest = collection.version


async def play(world: World, events: list[Line], speed: float) -> None:
    """Send recorded events at `speed` times their own rate; 0 is as fast as they go."""
    last = 0.0
    for event in events:
        await asyncio.sleep((event["after"] - last) / speed if speed else 0)
        last = event["after"]
        collection, name = world.collections[event["path"]], event["object"]["metadata"]["name"]
        if event["type"] == "DELETED":
            if name in collection.items:
                collection.remove(name)
        else:
            collection.put(name, _renderer(event["object"]))


def _renderer(obj: Line) -> Callable[[str, int, float], bytes]:
    """Return what writes a recorded object down, under a version of ours."""

    def render(_name: str, version: int, _at: float) -> bytes:
        return orjson.dumps({**obj, "metadata": {**obj["metadata"], "resourceVersion": str(version)}})

    return render
