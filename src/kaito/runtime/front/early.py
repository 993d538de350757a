"""Answers on the serving port from the first second until vLLM's server takes the same listening socket over."""

import asyncio
import socket

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kaito.runtime.front import probes
from kaito.runtime.status import StatusBoard


def exposition(registry: CollectorRegistry) -> web.Response:
    """Return a registry's metrics in Prometheus' text format."""
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class EarlyAnswers:
    """Probes and metrics while the model loads; everything else is told to come again."""

    def __init__(self, board: StatusBoard, registry: CollectorRegistry) -> None:
        self._board = board
        self._registry = registry
        self._runner: web.AppRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Answer on the socket. A duplicate is used, so that ending these answers leaves the socket listening."""
        application = web.Application(middlewares=[_close_connection])
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener.dup()).start()

    async def stop(self) -> None:
        """Accept no more and finish the answers under way. New connections wait for the next server."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        status = self._board.status()
        if request.path in probes.LIVE_PATHS:
            code, body = probes.live(status)
        elif request.path == probes.READY_PATH:
            code, body = probes.ready(status)
        elif request.path == probes.METRICS_PATH:
            return await asyncio.to_thread(exposition, self._registry)
        else:
            code, body = 503, probes.refusal(status)
        headers = probes.RETRY_HEADERS if code == 503 else None
        return web.json_response(body, status=code, headers=headers)


@web.middleware
async def _close_connection(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep no connection open: the next request on it belongs to vLLM's server."""
    response: web.StreamResponse = await handler(request)
    response.force_close()
    return response
