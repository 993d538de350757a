"""The replay server: as much of the API as kaito.core, kopf and client-go ask of it, and no more.

    python -m bench.replay.server --port 8001 --generate pods=10000 --generate widgets=1000
    python -m bench.replay.server --port 8001 --recording cluster.jsonl --speed 10

Lists (paged, or streamed by a watch), watches with bookmarks, Leases with optimistic locking. Other writes are
accepted, counted and answered with the object as it is. No validation, no selectors but `metadata.name=`, no TLS.
`GET /stats` returns counts; `POST /control/steady?plural=widgets&rate=1000&seconds=60` starts a stream of changes,
`POST /control/storm?changes=100` changes objects unseen and answers 410 to every watch.
"""

import argparse
import asyncio
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from bench.replay import discovery, recording
from bench.replay.collection import GONE, Collection, Watcher, line
from bench.replay.route import Route, route_of
from bench.replay.world import World
from bench.replay.writes import write

BOOKMARK_SECONDS: Final = 60.0
"""How often a watch gets a bookmark, as from a kube-apiserver."""
CHUNK: Final = 250
"""Objects written at a time."""
WORLD: Final = web.AppKey("world", World)
TASKS: Final = web.AppKey("tasks", set)


def application(world: World) -> web.Application:
    """Return the server of `world`."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app[WORLD] = world
    app[TASKS] = set()
    app.router.add_get("/stats", _statistics)
    app.router.add_post("/control/steady", _steady)
    app.router.add_post("/control/storm", _storm)
    app.router.add_route("*", "/{path:.*}", _serve)
    return app


def _json_answer(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


async def _statistics(request: web.Request) -> web.Response:
    return _json_answer(request.app[WORLD].statistics())


async def _steady(request: web.Request) -> web.Response:
    world, query = request.app[WORLD], request.query
    collection = next(c for c in world.collections.values() if c.plural == query["plural"])
    task = asyncio.create_task(world.steady(collection, float(query["rate"]), float(query["seconds"])))
    request.app[TASKS].add(task)
    task.add_done_callback(request.app[TASKS].discard)
    return _json_answer({})


async def _storm(request: web.Request) -> web.Response:
    request.app[WORLD].storm(int(request.query.get("changes", "0")))
    return _json_answer({})


async def _serve(request: web.Request) -> web.StreamResponse:
    world, agent = request.app[WORLD], request.headers.get("User-Agent", "")
    if (document := discovery.answer(world, request.path)) is not None:
        world.asked(agent, f"GET {request.path}")
        return _json_answer(document)
    route = route_of(world, request)
    if route is None:
        world.asked(agent, f"{request.method} {request.path} (unknown)")
        return _status(404, "NotFound", "the server could not find the requested resource")
    world.asked(agent, f"{route.verb} {route.collection.path}")
    match route.verb:
        case "LIST":
            return await _list(request, route)
        case "WATCH":
            if route.collection.plural == "leases" and not world.watch_leases:
                return _status(403, "Forbidden", "leases may not be watched here")
            return await _watch(request, route)
        case "GET":
            if route.name not in route.collection.items:
                return _status(404, "NotFound", f'{route.collection.plural} "{route.name}" not found')
            return web.Response(body=route.collection.render(route.name), content_type="application/json")
    code, body = write(world, route, await request.read())
    if code >= 400:
        world.refused[f"{code} {route.verb} {route.collection.path}"] += 1
    return web.Response(body=body, status=code, content_type="application/json")


async def _list(request: web.Request, route: Route) -> web.StreamResponse:
    """Write a page. From version 0 there are no pages: the server's watch cache answers whole."""
    collection, query = route.collection, request.query
    limit = 0 if query.get("resourceVersion") == "0" else int(query.get("limit", "0"))
    begin = int(query.get("continue") or 0)
    names = [name for name in collection.items if route.selected in ("", name)]
    page = names[begin : begin + limit] if limit else names[begin:]
    end = begin + len(page)
    metadata = {"resourceVersion": str(collection.version), "continue": str(end) if end < len(names) else ""}
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    head = {"kind": f"{collection.kind}List", "apiVersion": collection.api_version, "metadata": metadata}
    await response.write(orjson.dumps(head)[:-1] + b',"items":[')
    for first in range(0, len(page), CHUNK):
        some = b",".join(collection.render(name) for name in page[first : first + CHUNK] if name in collection.items)
        await response.write(some if first == 0 else b"," + some)
    await response.write(b"]}")
    await response.write_eof()
    return response


async def _watch(request: web.Request, route: Route) -> web.StreamResponse:
    collection, query = route.collection, request.query
    if query.get("sendInitialEvents") == "true" and not request.app[WORLD].streaming:
        return _status(422, "Invalid", "sendInitialEvents is forbidden for watch unless WatchList is enabled")
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    watcher = Watcher(route.selected)
    try:
        known = await _begin(response, route, watcher, query)
        if known:
            await _follow(response, collection, watcher, float(query.get("timeoutSeconds", "1800")))
    except ConnectionError:
        pass
    finally:
        collection.watchers.discard(watcher)
    return response


async def _begin(response: web.StreamResponse, route: Route, watcher: Watcher, query: Any) -> bool:
    """Write the events before the watch proper; False if it cannot begin at its version."""
    collection, version = route.collection, query.get("resourceVersion", "")
    initial = query.get("sendInitialEvents") == "true"
    collection.watchers.add(watcher)  # from here on nothing is missed
    if initial or (version in ("", "0") and query.get("sendInitialEvents") != "false"):
        bookmark = collection.bookmark(initial=True)
        present = [name for name in collection.items if route.selected in ("", name)]
        for first in range(0, len(present), CHUNK):
            names = [name for name in present[first : first + CHUNK] if name in collection.items]
            await response.write(b"".join(line("ADDED", collection.render(name)) for name in names))
        if initial:
            await response.write(bookmark)
        return True
    events = collection.since(int(version or collection.version))
    if events is None:
        await response.write(line("ERROR", GONE))
        return False
    if missed := b"".join(event for name, event in events if route.selected in ("", name)):
        await response.write(missed)
    else:
        await response.write(b"")
    return True


async def _follow(response: web.StreamResponse, collection: Collection, watcher: Watcher, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        if events := await watcher.take(min(left, BOOKMARK_SECONDS)):
            await response.write(events)
        elif watcher.closing:
            return
        else:
            await response.write(collection.bookmark())


def _status(code: int, reason: str, message: str) -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return web.Response(body=orjson.dumps(status), status=code, content_type="application/json")


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--generate", action="append", default=[], metavar="FAMILY=NUMBER")
    parser.add_argument("--recording", type=Path, help="a file that bench.replay.record wrote")
    parser.add_argument("--speed", type=float, default=1, help="of a recording's events; 0: as fast as they go")
    parser.add_argument("--no-streaming-lists", action="store_true", help="refuse sendInitialEvents")
    parser.add_argument("--no-lease-watches", action="store_true", help="refuse watches of Leases")
    options = parser.parse_args()
    world = World(streaming=not options.no_streaming_lists, watch_leases=not options.no_lease_watches)
    for wanted in options.generate:
        family, _, number = wanted.partition("=")
        world.generate(family, int(number))
    app = application(world)
    if options.recording:
        app.cleanup_ctx.append(recording.replaying(world, options.recording, options.speed))
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, access_log=None, shutdown_timeout=0.5)


if __name__ == "__main__":
    main()
