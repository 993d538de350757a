"""The embedded API server without a port: its clients are joined to it in memory."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from kaito.apiserver.server import EmbeddedServer, ServerOptions
from kaito.apiserver.store import Store
from kaito.apiserver.tls import Certificates
from kaito.core import ConnectionSettings
from kaito.core.clock import Clock
from kaito.testing.wire import WireConnector

_NO_FILE = Path("/dev/null")


class InProcessServer:
    """An API server in this process's memory; `store` holds its objects."""

    def __init__(self, clock: Clock, seed: int, state: bytes) -> None:
        self.store = Store(state=state)
        options = ServerOptions(clock=clock, chance=random.Random(seed))  # noqa: S311 - repeatable on purpose
        no_tls = Certificates(_NO_FILE, _NO_FILE, _NO_FILE)
        self._server = EmbeddedServer(options, no_tls, "token", self.store)
        self._http = web.Server(self._server.handle, access_log=None)

    @classmethod
    @asynccontextmanager
    async def start(cls, clock: Clock, *, seed: int = 0, state: bytes = b"") -> AsyncIterator["InProcessServer"]:
        """Serve until the block ends. The same seed gives the same uids and generated names.

        `state` is what `store.serialize` of an earlier server returned; take another seed then.
        """
        server = cls(clock, seed, state)
        server._server.lifecycle.create_first_objects("127.0.0.1", 0)
        work = asyncio.create_task(server._server.lifecycle.run())
        try:
            yield server
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            server._server.stop_watches()
            await server._http.shutdown()
            server.store.close()

    @property
    def connection_settings(self) -> ConnectionSettings:
        """How a client reaches this server, with `connector` for its connections."""
        return ConnectionSettings(server="http://in-process", token=self._server.token)

    def connector(self) -> aiohttp.BaseConnector:
        """Return a connector whose connections lead here."""
        return WireConnector(self._http)
