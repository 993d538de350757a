"""A server of files for tests that cuts, stalls, refuses and lies when told to; else it does ranges as nginx does."""

import asyncio
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Trouble = Callable[[web.Request, "RudeServer"], Any]
"""Answers one request in its own way: a coroutine function of request and server, that returns a response."""


@dataclass
class RudeServer:
    """`troubles`: by path, for the next requests of it. `guard`: looks at each request first, and may answer it."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    troubles: dict[str, list[Trouble]] = field(default_factory=dict)
    guard: Trouble | None = None
    etags: bool = True
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[web.Request] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @classmethod
    @asynccontextmanager
    async def run(cls, tls: ssl.SSLContext | None = None) -> AsyncIterator["RudeServer"]:
        server = cls()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", server._answer)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        server.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield server
        finally:
            server.ended.set()
            await runner.cleanup()

    def ranges(self, path: str) -> list[str]:
        """Return the `Range` of each request of a file."""
        return [request.headers.get("Range", "") for request in self.seen if request.path == path]

    def add_blob(self, repository: str, content: bytes) -> dict[str, Any]:
        """Keep a blob, and return its descriptor."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.files[f"/v2/{repository}/blobs/{digest}"] = content
        return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": len(content)}

    def add_manifest(self, repository: str, tag: str, document: dict[str, Any]) -> str:
        """Keep a manifest or an index under a tag and its digest, and return the digest."""
        content = json.dumps({"schemaVersion": 2, **document}).encode()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        for version in (tag, digest):
            self.files[f"/v2/{repository}/manifests/{version}"] = content
        return digest

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if self.guard and (answer := await self.guard(request, self)):
            return answer
        if waiting := self.troubles.get(request.path):
            return await waiting.pop(0)(request, self)
        return self.honest(request)

    def honest(self, request: web.Request) -> web.Response:
        content = self.files.get(request.path)
        if content is None:
            return web.Response(status=404)
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": etag} if self.etags else {}
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if not start or request.headers.get("If-Range", etag) != etag:
            return web.Response(body=content, headers=headers)
        if start >= len(content):
            return web.Response(status=416)
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return web.Response(status=206, body=content[start:], headers=headers)


def status(number: int, **headers: str) -> Trouble:
    """Answer with a status."""

    async def answer(request: web.Request, server: RudeServer) -> web.Response:
        return web.Response(status=number, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


def cut(after: int, *, silent: bool = False) -> Trouble:
    """Send a part of the file, and then close, or say no more until the client goes."""

    async def answer(request: web.Request, server: RudeServer) -> web.StreamResponse:
        whole = server.honest(request)
        assert isinstance(whole.body, bytes)
        response = web.StreamResponse(status=whole.status, headers=whole.headers)
        response.content_length = len(whole.body)
        await response.prepare(request)
        await response.write(whole.body[:after])
        if silent:
            await server.ended.wait()
        assert request.transport
        request.transport.close()
        return response

    return answer


def whole(content: bytes, *, number: int = 200, **headers: str) -> Trouble:
    """Answer with another content than the file's, ranges or not."""

    async def answer(request: web.Request, server: RudeServer) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=number, body=content, headers=named)

    return answer


def in_pieces(*pieces: bytes, pause: float = 0.02) -> Trouble:
    """Send a body in several writes, each when the one before has surely been read."""

    async def answer(request: web.Request, server: RudeServer) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause)
        return response

    return answer


def stated(size: int) -> Trouble:
    """Promise a size, and send nothing."""

    async def answer(request: web.Request, server: RudeServer) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = size
        await response.prepare(request)
        return response

    return answer
