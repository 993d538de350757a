"""The HTTP servers of a manager: metrics, probes, the log level; and profiling, at an address of its own."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from kaito.core.certificates import CertificateWatcher, WatcherMetrics, issue
from kaito.core.certificates.loading import load_pair
from kaito.core.clock import Clock
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger, log_level, set_log_level
from kaito.core.manager.access import AccessFilter
from kaito.core.manager.health import Check, probe
from kaito.core.serving import Listener

log = get_logger()

OFF: Final = "0"
LOOPBACK: Final = "127.0.0.1"
_SELF_MADE_LIFE: Final = timedelta(days=365)
_OPEN: Final = ("/healthz", "/readyz")


@dataclass(frozen=True)
class Serving:
    """What a manager serves beside metrics and probes, and to whom. All of it is off by default.

    `tls` is a folder with `tls.crt` and `tls.key`, which may change, or "self-made": a certificate that nobody can
    check, until the process ends. With `authorize` metrics and log level need a bearer token that may see them; probes
    never do. `log_level` lets `PUT /loglevel` change the level: {"level": "debug"}. `profiling_address` (`host:port`,
    "0": none) is where /debug/profile, /debug/tasks and /debug/memory are: to this machine alone if it names no host.
    """

    tls: Path | Literal["self-made"] | None = None
    authorize: bool = False
    log_level: bool = False
    profiling_address: str = OFF


class MetricsServer:
    """/metrics, /healthz, /readyz of a process. `address` is `host:port`, port 0 picks a free one, `0` is none."""

    def __init__(
        self,
        address: str,
        registry: CollectorRegistry,
        healthy: Mapping[str, Check],
        ready: Mapping[str, Check],
        *,
        clock: Clock,
        serving: Serving | None = None,
        access: AccessFilter | None = None,
    ) -> None:
        self._address = address
        self._registry = registry
        self._clock = clock
        self._serving = serving or Serving()
        self._access = access if self._serving.authorize else None
        self._application = web.Application(middlewares=[self._guarded])
        self._add_routes(healthy, ready)
        self._listeners: list[Listener] = []
        self._watching: asyncio.Task[None] | None = None
        self.port = 0
        self.profiling_port = 0

    def _add_routes(self, healthy: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        routes = self._application.router
        routes.add_get("/metrics", self._metrics)
        for path, checks in zip(_OPEN, (healthy, ready), strict=True):
            routes.add_get(path, probe(checks))
            routes.add_get(path + "/{check:[^/]*}", probe(checks))
        if self._serving.log_level:
            routes.add_get("/loglevel", _show_level)
            routes.add_put("/loglevel", _change_level)

    async def start(self) -> None:
        """Begin to serve. Raises KaitoError AddressInUse, AddressInvalid, CertificateUnreadable, SigningFailed."""
        try:
            if self._address != OFF:
                self.port = await self._listen(self._application, self._address, "metrics", await self._context())
            if self._serving.profiling_address != OFF:
                from kaito.core.manager.profiling import Profiler

                application = web.Application()
                Profiler(self._clock).add_to(application)
                address = self._serving.profiling_address
                self.profiling_port = await self._listen(
                    application, address if not address.startswith(":") else LOOPBACK + address, "profiling", None
                )
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop to serve."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait((self._watching,))
        while self._listeners:
            await self._listeners.pop().stop()

    async def _listen(
        self, application: web.Application, address: str, purpose: str, context: ssl.SSLContext | None
    ) -> int:
        host, port = _host_and_port(address, purpose)
        option = ("--metrics-address" if purpose == "metrics" else "Serving.profiling_address") + ", or 0 for none"
        listener = Listener(application, host, port, purpose=purpose, option=option, context=context)
        await listener.start()
        self._listeners.append(listener)
        return listener.port

    async def _context(self) -> ssl.SSLContext | None:
        tls = self._serving.tls
        if tls is None:
            return None
        if isinstance(tls, Path):
            watcher = CertificateWatcher(tls, self._clock, WatcherMetrics(self._registry))
            watcher.read()
            self._watching = asyncio.create_task(watcher.run(), name="metrics certificate")
            return watcher.context
        pair = await issue(["localhost", LOOPBACK], self._clock.now(), _SELF_MADE_LIFE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        load_pair(context, pair.certificate, pair.key)
        return context

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self._access is not None and request.path.split("/", 2)[1] not in [path[1:] for path in _OPEN]:
            await self._access.check(request)
        return await handler(request)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _show_level(_request: web.Request) -> web.Response:
    return web.json_response({"level": log_level()})


async def _change_level(request: web.Request) -> web.Response:
    try:
        before, level = log_level(), str(orjson.loads(await request.read())["level"])
        set_log_level(level)
    except (ValueError, TypeError, KeyError) as error:
        raise web.HTTPBadRequest(text=f'the body has to be {{"level": "info"}}: {error}') from error
    log.warning("log level changed", before=before, now=level)
    return await _show_level(request)


def _host_and_port(address: str, purpose: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or int(port) >= 1 << 16:
        raise KaitoError(
            "AddressInvalid",
            f"{address!r} is no address to serve {purpose} on",
            terminal=True,
            remedy="Give one as host:port, such as 127.0.0.1:8080, or 0 for none.",
        )
    return host.strip("[]"), int(port)
