"""The admin port: what the controller reads of this pod. Its own thread keeps it talking beside a busy engine."""

import hmac
import socket
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry

from kaito.contracts import STATUS_PATH
from kaito.runtime.front import probes
from kaito.runtime.front.adapter_routes import LONGEST_SET, AdapterRoutes, Desk, Handler
from kaito.runtime.front.early import exposition
from kaito.runtime.status import StatusBoard

LONGEST_WAIT = 30.0
"""Seconds that `?after=N` waits at most."""


class AdminServer:
    """Serves `/v1/status` and `/v1/adapters` to who holds the token; `/healthz` and `/metrics` to everyone.

    The token file is read at each request, so that a rotated Secret is followed. Without a file nobody is let in.
    """

    def __init__(
        self,
        board: StatusBoard,
        registry: CollectorRegistry,
        token_file: Path | None,
        desk: Desk | None = None,
    ) -> None:
        self._board = board
        self._registry = registry
        self._token_file = token_file
        self._desk = desk
        self._runner: web.AppRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Serve on a socket that listens already."""
        application = web.Application(client_max_size=LONGEST_SET)
        application.router.add_get(STATUS_PATH, self._guarded(self._status))
        if self._desk is not None:
            AdapterRoutes(self._desk).add_to(application, self._guarded)
        application.router.add_get("/healthz", self._health)
        application.router.add_get(probes.METRICS_PATH, self._metrics)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """End; waiting readers get what there is."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _status(self, request: web.Request) -> web.Response:
        after = request.query.get("after")
        if after is None:
            return web.json_response(self._board.status())
        if not after.isdigit():
            return web.json_response({"detail": "after must be the sequence number of an earlier answer"}, status=400)
        return web.json_response(await self._board.wait_beyond(int(after), LONGEST_WAIT))

    async def _health(self, _: web.Request) -> web.Response:
        code, body = probes.live(self._board.status())
        return web.json_response(body, status=code)

    async def _metrics(self, _: web.Request) -> web.Response:
        return exposition(self._registry)

    def _guarded(self, handler: Handler) -> Handler:
        """Return the handler for who holds the token, and 401 for everybody else."""

        async def handle(request: web.Request) -> web.Response:
            refused = self._refused(request.headers.get("Authorization", ""))
            if refused:
                return web.json_response({"detail": refused}, status=401, headers={"WWW-Authenticate": "Bearer"})
            return await handler(request)

        return handle

    def _refused(self, header: str) -> str:
        """Say why a request is not let in; empty when it is. The comparison takes constant time."""
        if self._token_file is None:
            return "This server was started without a token file; status is served to nobody."
        try:
            token = self._token_file.read_bytes().strip()
        except OSError:
            return "The token file of this server cannot be read."
        if token and hmac.compare_digest(header.encode(), b"Bearer " + token):
            return ""
        return "A bearer token is needed: the key `token` of the Workspace's admin Secret."
