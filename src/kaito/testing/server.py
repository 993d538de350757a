"""The embedded API server without a port: its clients are joined to it in memory."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from kaito.apiserver.server import EmbeddedServer, ServerOptions
from kaito.apiserver.store import Store
from kaito.apiserver.tls import Certificates
from kaito.core import Client, ConnectionSettings, Key, Kind, Manager, NotFoundError
from kaito.core.clock import Clock
from kaito.testing.disturbance import Asked, Disturbance, Plan
from kaito.testing.disturbed import Disturbed
from kaito.testing.faults import FaultyTransport, Luck
from kaito.testing.loop import LoopClock
from kaito.testing.wire import WireConnector

T = TypeVar("T")

_NO_FILE: Final = Path("/dev/null")
_POLL_SECONDS: Final = 0.05
_WITHIN_SECONDS: Final = 60.0
_MINUTE: Final = 60.0


class InProcessServer:
    """An API server in this process's memory; `store` holds its objects, `asked` what it was asked so far."""

    def __init__(self, clock: Clock, seed: int, state: bytes) -> None:
        self.store = Store(state=state)
        self.clock = clock
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._plan = Plan()
        self._work: set[asyncio.Task[None]] = set()
        self._clients = AsyncExitStack()
        self._client: Client | None = None
        self._up()

    @classmethod
    @asynccontextmanager
    async def start(
        cls, clock: Clock | None = None, *, seed: int = 0, state: bytes = b""
    ) -> AsyncIterator["InProcessServer"]:
        """Serve until the block ends; without a clock, by the loop's. The same seed gives the same uids and names.

        `state` is what `store.serialize` of an earlier server returned; take another seed then.
        """
        server = cls(clock or LoopClock(), seed, state)
        server._server.lifecycle.create_first_objects("127.0.0.1", 0)
        try:
            async with server._clients:
                yield server
        finally:
            await server._end()

    def _up(self) -> None:
        options = ServerOptions(clock=self.clock, chance=self._random)
        no_tls = Certificates(_NO_FILE, _NO_FILE, _NO_FILE)
        self._server = EmbeddedServer(options, no_tls, "token", self.store)
        self._door = Disturbed(self._server.handle, self._plan, self._begin_restart)
        self._http: web.Server | None = self._door.server()
        self._begin(self._server.lifecycle.run())

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _end(self) -> None:
        work = tuple(self._work)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self._down()
        self.store.close()

    async def _down(self) -> None:
        """Cut every connection; who comes now is refused."""
        http, self._http = self._http, None
        self._door.end()
        self._server.stop_watches()
        for connection in http.connections if http is not None else ():
            if connection.transport is not None:
                connection.transport.abort()
        if http is not None:
            await http.shutdown()

    @property
    def connection_settings(self) -> ConnectionSettings:
        """How a client reaches this server, with `connector` for its connections."""
        return ConnectionSettings(server="http://in-process", token=self._server.token)

    def connector(self) -> aiohttp.BaseConnector:
        """Return a connector whose connections lead here."""
        return WireConnector(self._accept)

    def _accept(self) -> asyncio.Protocol:
        if self._http is None:
            raise ConnectionRefusedError("the server is down")
        return self._http()

    @property
    def client(self) -> Client:
        """A client of the test's own, with every right."""
        if self._client is None:
            self._client = self.connect("test")
            self._clients.push_async_callback(self._client.close)
        return self._client

    def connect(self, name: str, *, luck: Luck | None = None, registry: CollectorRegistry | None = None) -> Client:
        """Return a client called `name`, for its user to close; with `luck`, its writes and events are counted."""
        registry = registry or CollectorRegistry()
        transport = FaultyTransport(
            luck or Luck(), self.connection_settings, self.clock, name, registry, self.connector
        )
        return Client(transport, field_manager=name)

    def new_manager(self, name: str, *, luck: Luck | None = None) -> Manager:
        """Return a manager that serves no metrics; its user stops it, and closes its client."""
        registry = CollectorRegistry()
        client = self.connect(name, luck=luck, registry=registry)
        return Manager(
            name, client, clock=self.clock, registry=registry, metrics_address="0", jitter=self._random.random
        )

    @asynccontextmanager
    async def manager(self, name: str) -> AsyncIterator[Manager]:
        """Give a manager for the block, to add controllers to and to start; it is stopped at the end."""
        manager = self.new_manager(name)
        try:
            yield manager
        finally:
            try:
                await manager.stop()
            finally:
                await manager.client.close()

    async def eventually(
        self, kind: Kind[T], key: Key, holds: Callable[[T], object] | None = None, within: float = _WITHIN_SECONDS
    ) -> T:
        """Return an object once it exists and `holds` is true of it. Raises AssertionError after `within` seconds."""
        last: T | None = None
        end = self.clock.monotonic() + within
        while self.clock.monotonic() < end:
            with suppress(NotFoundError):
                last = await self.client.get(kind, key)
                if holds is None or holds(last):
                    return last
            await self.clock.sleep(_POLL_SECONDS)
        found = "it does not exist" if last is None else f"it was last seen as {last}"
        raise AssertionError(f"{kind} {key} is not as expected after {within:g} s: {found}")

    async def vanishes(self, kind: Kind[Any], key: Key, within: float = _WITHIN_SECONDS) -> None:
        """Return once an object is gone. Raises AssertionError after `within` seconds."""
        end = self.clock.monotonic() + within
        while self.clock.monotonic() < end:
            try:
                await self.client.get(kind, key)
            except NotFoundError:
                return
            await self.clock.sleep(_POLL_SECONDS)
        raise AssertionError(f"{kind} {key} is still there after {within:g} s")

    def disturb(self, *plan: Disturbance) -> None:
        """Disturb requests and watches from now on as `plan` says, and no more as an earlier one did."""
        self._plan.begin(*plan)

    @property
    def struck(self) -> int:
        """How often the plan has disturbed something."""
        return self._plan.struck

    async def restart(self, down_seconds: float = 0.0) -> None:
        """Start again: connections are cut, the history of watches is lost; meanwhile connections are refused."""
        await self._down()
        self.store.compact()
        await self.clock.sleep(down_seconds)
        self._up()

    def _begin_restart(self, down_seconds: float) -> None:
        self._begin(self.restart(down_seconds))

    @property
    def asked(self) -> list[Asked]:
        """Every request so far, in order."""
        return self._plan.asked

    def busiest_minute(self, *, by: str = "", since: float = 0.0) -> int:
        """Return how many requests came within one minute at most: of a manager (none: of all), after `since`.

        `since` is in seconds of the loop.
        """
        moments = [one.at for one in self.asked if one.at >= since and by in ("", one.by)]
        start = most = 0
        for end, moment in enumerate(moments):
            while moment - moments[start] >= _MINUTE:
                start += 1
            most = max(most, end - start + 1)
        return most
