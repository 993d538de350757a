"""A server's front door with disturbances: what `Disturbance` says happens to the bytes that leave it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.http import StreamWriter

from kaito.testing.disturbance import Asked, Disturbance, Plan, Trouble

_GARBAGE: Final = b'\xff\xfe<html>not what you hoped for\x00{"type":\n'
_PIECES: Final = 16
_REFUSALS: Final = {
    Trouble.EXPIRED: (410, "Expired", "too old resource version"),
    Trouble.TOO_MANY: (429, "TooManyRequests", "too many requests, please try again later"),
    Trouble.TOO_MANY_SILENT: (429, "TooManyRequests", "too many requests, please try again later"),
    Trouble.BROKEN: (500, "InternalError", "etcdserver: request timed out"),
}

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Disturbed:
    """Stands before a handler of requests and disturbs what is planned."""

    def __init__(self, handle: Handler, plan: Plan, restart: Callable[[float], None]) -> None:
        self.plan = plan
        self._handle = handle
        self._restart = restart
        self._another = asyncio.Event()
        self._over = asyncio.Event()

    def end(self) -> None:
        """Let go of what hangs."""
        self._over.set()

    def server(self) -> web.Server:
        """Return the protocol factory of this door."""
        loop = asyncio.get_running_loop()

        def request(message: Any, payload: Any, protocol: Any, _: Any, task: asyncio.Task[None]) -> web.BaseRequest:
            writer = _Writer(protocol, loop, self)
            made = web.BaseRequest(message, payload, protocol, writer, task, loop)
            made[_WRITER] = writer
            return made

        return web.Server(self.handle, request_factory=request, access_log=None)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or do what is planned for it."""
        now, by = asyncio.get_running_loop().time(), request.headers.get("User-Agent", "")
        asked = Asked.of(request.method, request.path, request.query, now, by)
        mine = self.plan.next(asked)
        events = {one.event: one for one in mine if one.event}
        request[_WRITER].events = events if asked.verb == "watch" else None
        disturbance = next((one for one in mine if not one.event), None)
        try:
            if disturbance is None:
                return await self._handle(request)
            self.plan.struck += 1
            return await self._disturb(request, disturbance, asked)
        finally:
            self.has_answered()

    def has_answered(self) -> None:
        """Let what waits for another answer go on."""
        self._another.set()

    async def wait_for_another(self, seconds: float) -> None:
        """Return when another request or event has gone out, at the latest after `seconds`."""
        self._another.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._another.wait()

    async def hang(self) -> None:
        """Return when the server ends."""
        await self._over.wait()

    def restart(self, down_seconds: float) -> None:
        """Let the server start again."""
        self._restart(down_seconds)

    async def _disturb(self, request: web.BaseRequest, what: Disturbance, asked: Asked) -> web.StreamResponse:
        match what.trouble:
            case Trouble.DROP:
                return _cut(request)
            case Trouble.LOST_ANSWER:
                if asked.verb != "watch":
                    await self._handle(request)
                return _cut(request)
            case Trouble.DELAY:
                await asyncio.sleep(what.seconds)
                return await self._handle(request)
            case Trouble.REORDER:
                await self.wait_for_another(what.seconds)
                return await self._handle(request)
            case Trouble.HANG:
                await self.hang()
                return _cut(request)
            case Trouble.GARBAGE:
                return web.Response(body=_GARBAGE, content_type="application/json")
            case Trouble.HALF_FRAME | Trouble.SLOW_BODY if asked.verb == "watch":
                request[_WRITER].every = what
                return await self._handle(request)
            case Trouble.HALF_FRAME | Trouble.SLOW_BODY:
                return await _in_pieces(request, await self._handle(request), what)
            case Trouble.RESTART:
                self.restart(what.seconds)
                return _cut(request)
            case _:
                return _refusal(what)


class _Writer(StreamWriter):
    """Sends an answer; of a watch it counts the events and disturbs those that are planned."""

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop, door: Disturbed) -> None:
        super().__init__(protocol, loop)
        self.events: dict[int, Disturbance] | None = None
        self.every: Disturbance | None = None
        self._door = door
        self._count = 0

    async def write(self, chunk: Any, *arguments: Any, **options: Any) -> None:
        if self.events is None or not (self.events or self.every):
            await super().write(chunk, *arguments, **options)
            self._door.has_answered()
            return
        for line in bytes(chunk).splitlines(keepends=True):
            disturbance = self.every
            if not line.startswith(b'{"type":"BOOKMARK"'):
                self._count += 1
                disturbance = self.events.get(self._count, self.every)
            if disturbance is None:
                await super().write(line)
            else:
                self._door.plan.struck += 1
                await self._disturb(line, disturbance)
            self._door.has_answered()

    async def _disturb(self, line: bytes, what: Disturbance) -> None:
        send = super().write
        match what.trouble:
            case Trouble.DROP:
                self._cut()
            case Trouble.LOST_ANSWER:
                await send(line)
                self._cut()
            case Trouble.DELAY:
                await asyncio.sleep(what.seconds)
                await send(line)
            case Trouble.REORDER:
                await self._door.wait_for_another(what.seconds)
                await send(line)
            case Trouble.HANG:
                await self._door.hang()
                self._cut()
            case Trouble.GARBAGE:
                await send(_GARBAGE + line)
            case Trouble.HALF_FRAME:
                await send(line[: len(line) // 2])
                self._cut()
            case Trouble.SLOW_BODY:
                for piece in _pieces(line):
                    await send(piece)
                    await asyncio.sleep(what.seconds / _PIECES)
            case Trouble.RESTART:
                self._door.restart(what.seconds)
                self._cut()
            case _:
                await send(b'{"type":"ERROR","object":%s}\n' % orjson.dumps(_status(what)))
                self._cut()

    def _cut(self) -> None:
        if (transport := self.transport) is not None:
            transport.abort()
        raise ConnectionResetError("cut off as planned")


_WRITER: Final = web.RequestKey("writer", _Writer)


def _cut(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _status(what: Disturbance) -> dict[str, Any]:
    code, reason, message = _REFUSALS[what.trouble]
    kind = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**kind, "message": message, "reason": reason, "code": code}


def _refusal(what: Disturbance) -> web.Response:
    body = _status(what)
    headers = {"Retry-After": f"{max(what.seconds, 1):.0f}"} if what.trouble is Trouble.TOO_MANY else {}
    return web.Response(body=orjson.dumps(body), status=body["code"], headers=headers, content_type="application/json")


async def _in_pieces(request: web.BaseRequest, answer: web.StreamResponse, what: Disturbance) -> web.StreamResponse:
    body = answer.body if isinstance(answer, web.Response) else None
    assert isinstance(body, bytes), "an answer in one piece"
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    if what.trouble is Trouble.HALF_FRAME:
        await response.write(body[: len(body) // 2])
        _cut(request)
        return response
    with suppress(ConnectionResetError):
        for piece in _pieces(body):
            await response.write(piece)
            await asyncio.sleep(what.seconds / _PIECES)
    return response


def _pieces(data: bytes) -> list[bytes]:
    size = max(1, -(-len(data) // _PIECES))
    return [data[start : start + size] for start in range(0, len(data), size)]
