"""A scripted API server: small, exact in what the client relies on, and breakable on purpose."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from kaito.core import Client, ConnectionSettings, Kind
from kaito.testing import no_leaks

THING = Kind("example.org/v1", "Thing", dict)

Fault = Callable[[web.Request], web.StreamResponse | None]


def status(code: int, reason: str, message: str = "", **headers: str) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }
    return web.json_response(body, status=code, headers=headers)


class FakeApi:
    """One collection per path, a shared resourceVersion, watches from any version that was not compacted away."""

    def __init__(self) -> None:
        self.version = 100
        self.oldest = 0
        self.objects: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[int, str, str, dict[str, Any]]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[Any] = []
        self.faults: list[Fault] = []
        self.page_size = 0
        self.discovery = True
        self.streaming = True
        self.watches: set[asyncio.Queue[bytes | None]] = set()
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.close_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def settings(self) -> ConnectionSettings:
        return ConnectionSettings(f"http://127.0.0.1:{self.port}", token="t0ken")

    def seen(self, method: str, part: str = "") -> list[dict[str, str]]:
        return [params for m, path, params in self.requests if m == method and part in path]

    def lists(self) -> list[dict[str, str]]:
        return [p for m, path, p in self.requests if m == "GET" and path.endswith("things") and "watch" not in p]

    def watch_requests(self) -> list[dict[str, str]]:
        return [p for m, path, p in self.requests if "watch" in p]

    def put(self, name: str, *, collection: str = "/apis/example.org/v1/namespaces/ns/things", **fields: Any) -> dict:
        self.version += 1
        path = f"{collection}/{name}"
        old = self.objects.get(path)
        metadata = {
            "name": name,
            "uid": old["metadata"]["uid"] if old else f"uid-{self.version}",
            "resourceVersion": str(self.version),
            "managedFields": [{"manager": "x"}],
            **fields.pop("metadata", {}),
        }
        parts = collection.split("/")
        if "namespaces" in parts[:-1]:
            metadata["namespace"] = parts[parts.index("namespaces") + 1]
        kinds = {"things": ("example.org/v1", "Thing"), "configmaps": ("v1", "ConfigMap"), "events": ("v1", "Event")}
        api_version, kind = kinds[parts[-1]]
        obj = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
        self.objects[path] = obj
        self._emit("MODIFIED" if old else "ADDED", path, obj)
        return obj

    def remove(self, name: str, *, collection: str = "/apis/example.org/v1/namespaces/ns/things") -> dict:
        self.version += 1
        path = f"{collection}/{name}"
        obj = self.objects.pop(path)
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self._emit("DELETED", path, obj)
        return obj

    def forget_history(self) -> None:
        """Compact: watches from before now get 410."""
        self.version += 1
        self.oldest = self.version

    def close_watches(self) -> None:
        for queue in list(self.watches):
            queue.put_nowait(None)

    def send(self, raw: bytes) -> None:
        for queue in self.watches:
            queue.put_nowait(raw)

    def bookmark(self) -> None:
        self.version += 1
        self.send(self._bookmark({}))

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        metadata = {"resourceVersion": str(self.version), "annotations": annotations}
        return self._line("BOOKMARK", {"kind": "Thing", "apiVersion": "example.org/v1", "metadata": metadata})

    def _emit(self, kind: str, path: str, obj: dict[str, Any]) -> None:
        self.history.append((self.version, kind, path, obj))
        for queue in self.watches:
            if self._concerns(queue.collection, path):  # type: ignore[attr-defined]
                queue.put_nowait(self._line(kind, obj))

    @staticmethod
    def _line(kind: str, obj: Any) -> bytes:
        return orjson.dumps({"type": kind, "object": obj}) + b"\n"

    @staticmethod
    def _concerns(collection: str, path: str) -> bool:
        group, _, plural = collection.rpartition("/")
        return path.startswith(group) and path.rpartition("/")[0].endswith(f"/{plural}")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        body = await request.read()
        self.bodies.append(orjson.loads(body) if body else None)
        for fault in list(self.faults):
            if (answer := fault(request)) is not None:
                return answer
        if request.path == "/apis/example.org/v1":
            if not self.discovery:
                return status(404, "NotFound", "the server could not find the requested resource")
            return web.json_response(
                {
                    "kind": "APIResourceList",
                    "resources": [
                        {"name": "things", "kind": "Thing", "namespaced": True},
                        {"name": "things/status", "kind": "Thing", "namespaced": True},
                    ],
                }
            )
        if request.method == "GET":
            if request.path in self.objects:
                return web.json_response(self.objects[request.path])
            if request.path.rpartition("/")[2] not in ("things", "configmaps", "events"):
                return status(404, "NotFound", "not found")
            return await self._watch(request) if "watch" in request.query else self._list(request)
        return self._write(request, self.bodies[-1])

    def _list(self, request: web.Request) -> web.Response:
        found = [obj for path, obj in sorted(self.objects.items()) if self._concerns(request.path, path)]
        start = int(request.query.get("continue", "0"))
        metadata: dict[str, Any] = {"resourceVersion": str(self.version)}
        if (self.page_size and "limit" in request.query) or "continue" in request.query:
            end = start + self.page_size
            if end < len(found):
                metadata["continue"] = str(end)
            found = found[start:end]
        return web.json_response(
            {"kind": "ThingList", "apiVersion": "example.org/v1", "metadata": metadata, "items": found}
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query.get("resourceVersion", "0"))
        streams = "sendInitialEvents" in request.query
        if streams and not self.streaming:
            return status(422, "Invalid", "sendInitialEvents: Forbidden")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if since < self.oldest and not streams:
            await response.write(
                self._line(
                    "ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                )
            )
            return response
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        queue.collection = request.path  # type: ignore[attr-defined]
        if streams:
            for path, obj in self.objects.items():
                if self._concerns(request.path, path):
                    queue.put_nowait(self._line("ADDED", obj))
            queue.put_nowait(self._bookmark({"k8s.io/initial-events-end": "true"}))
            since = self.version
        for version, kind, path, obj in self.history:
            if version > since and self._concerns(request.path, path):
                queue.put_nowait(self._line(kind, obj))
        self.watches.add(queue)
        try:
            while (chunk := await queue.get()) is not None:
                await response.write(chunk)
        finally:
            self.watches.discard(queue)
        return response

    def _write(self, request: web.Request, body: Any) -> web.Response:
        path, subresource = request.path, ""
        if path.endswith("/status"):
            path, subresource = path[: -len("/status")], "status"
        collection, _, name = path.rpartition("/")
        if request.method == "POST":
            collection, name = path, body["metadata"]["name"]
            if f"{path}/{name}" in self.objects:
                return status(409, "AlreadyExists", f"{name} already exists")
        elif path not in self.objects and "apply" not in request.headers.get("Content-Type", ""):
            return status(404, "NotFound", f"{name} not found")
        if request.method == "DELETE":
            gone = self.remove(name, collection=collection)
            return web.json_response(
                {"kind": "Status", "status": "Success", "details": {"uid": gone["metadata"]["uid"]}}
            )
        old = self.objects.get(path, {})
        uid = (body["metadata"].get("uid") if "metadata" in body else "") or ""
        if uid and uid != old.get("metadata", {}).get("uid"):
            return status(409, "Conflict", "uid mismatch")
        fields = {k: v for k, v in {**old, **body}.items() if k not in ("apiVersion", "kind", "metadata")}
        kept = {k: v for k, v in old.get("metadata", {}).items() if k not in ("resourceVersion", "namespace", "name")}
        metadata = {
            **kept,
            **{k: v for k, v in body.get("metadata", {}).items() if k not in ("namespace", "name", "uid")},
        }
        if old and {**old, **fields}.items() == old.items() and not subresource and metadata == kept:
            return web.json_response(old)
        return web.json_response(self.put(name, collection=collection, metadata=metadata, **fields))


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> None:
    """Let every async test of core fail that leaves tasks, sockets or threads behind."""
    if inspect.iscoroutinefunction(getattr(request.node, "function", None)):
        request.getfixturevalue("_no_leaks")


@pytest.fixture
async def _no_leaks() -> AsyncIterator[None]:
    async with no_leaks():
        yield


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    server = FakeApi()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def api_class() -> type[FakeApi]:
    """For a test that has an event loop of its own."""
    return FakeApi


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[Client]:
    connected = await Client.connect(api.settings, field_manager="test")
    yield connected
    await connected.close()


@pytest.fixture
def refuse() -> Callable[..., web.Response]:
    return status


@pytest.fixture
def thing() -> Kind[dict[str, Any]]:
    return THING


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait for a condition that real sockets bring about; fails after five seconds."""

    async def wait(condition: Callable[[], Any], within: float = 5.0) -> Any:
        async with asyncio.timeout(within):
            while not (found := condition()):  # noqa: ASYNC110 - the state of a server behind real sockets
                await asyncio.sleep(0.002)
        return found

    return wait
