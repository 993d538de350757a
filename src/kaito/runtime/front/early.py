"""Answers on the serving port from the first second until vLLM's server takes the same listening socket over."""

import asyncio
import contextlib
import socket
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kaito.runtime.front import probes
from kaito.runtime.front.errors import no_key
from kaito.runtime.front.keys import KeyRing
from kaito.runtime.status import StatusBoard

SILENT_SECONDS = 1.0
"""How long, at the handover, a connection may go without a request before it is closed."""


def exposition(registry: CollectorRegistry) -> web.Response:
    """Return a registry's metrics in Prometheus' text format."""
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class EarlyAnswers:
    """Probes and metrics while the model loads; everything else is told to come again.

    It accepts connections itself: asyncio's and aiohttp's servers drop, when they stop, who was accepted and had not
    yet sent a request, and a client would see its connection reset in the moment of the handover.
    """

    def __init__(self, board: StatusBoard, registry: CollectorRegistry, keys: KeyRing | None = None) -> None:
        self._keys = keys or KeyRing()
        self._board = board
        self._registry = registry
        self._listener: socket.socket | None = None
        self._server: web.Server | None = None
        self._arriving: set[asyncio.Task[object]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Answer on the socket. A duplicate is used, so that ending these answers leaves the socket listening."""
        self._server = web.Server(self._answer, access_log=None)
        self._listener = listener.dup()
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener, self._server)

    async def stop(self) -> None:
        """Accept no more, and answer who was accepted. New connections wait for the next server.

        Who has sent no request `SILENT_SECONDS` later is closed on.
        """
        if self._listener is None or self._server is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENT_SECONDS):
                await asyncio.gather(*self._arriving, return_exceptions=True)
                while self._server.connections:  # noqa: ASYNC110 - aiohttp tells nobody when the last one has gone
                    await asyncio.sleep(0.01)
        await self._server.shutdown(timeout=0)

    def _accept(self, listener: socket.socket, server: web.Server) -> None:
        """Take one connection from the queue; the loop calls again while there are more."""
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the client has gone, or no descriptor is free: the connection stays queued
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        arriving = loop.create_task(loop.connect_accepted_socket(server, connection))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        """Answer, and keep no connection open: the next request on it belongs to vLLM's server."""
        status = self._board.status()
        if request.path in probes.LIVE_PATHS:
            response = _json(*probes.live(status))
        elif request.path == probes.READY_PATH:
            response = _json(*probes.ready(status))
        elif self._keys.required and not self._keys.holder(request.headers.get("Authorization", "").encode()):
            why = no_key()
            response = web.json_response(why.body, status=why.status, headers=why.headers)
        elif request.path == probes.METRICS_PATH:
            response = await asyncio.to_thread(exposition, self._registry)
        else:
            response = _json(503, probes.refusal(status))
        response.force_close()
        return response


def _json(code: int, body: Any) -> web.Response:
    return web.json_response(body, status=code, headers=probes.RETRY_HEADERS if code == 503 else None)
