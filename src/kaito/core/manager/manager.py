"""One process of controllers: connection, cache, health, signals; started in order, stopped in order."""

import asyncio
import contextvars
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from kaito.core.cache import Cache, Mode, ReflectorSettings, Selection, garbage
from kaito.core.client import Client, ConnectionSettings, fenced, load_connection
from kaito.core.clock import Clock, Jitter, SystemClock, deadline, system_jitter
from kaito.core.controller import Controller, ControllerMetricFamilies, Surroundings
from kaito.core.errors import KaitoError
from kaito.core.events import EventRecorder
from kaito.core.logs import get_logger
from kaito.core.manager.access import AccessFilter
from kaito.core.manager.election import Election
from kaito.core.manager.groups import Ready, Runnable, RunnableGroup, stopped
from kaito.core.manager.health import Check
from kaito.core.manager.serving import MetricsServer, Serving
from kaito.core.manager.supervision import Supervision
from kaito.core.manager.work import Work
from kaito.core.objects import Kind

log = get_logger()

GRACE_SECONDS: Final = 30.0
"""How long all that runs may take to end after a signal, by default: controller-runtime's."""
EVENT_FLUSH_SECONDS: Final = 5.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Manager:
    """Owns client, cache and controllers. Use it as `async with Manager.connect(…) as manager`.

    What it runs starts in this order, and stops in the opposite one: metrics and probes; servers; caches; what every
    replica runs; controllers that warm up; and, on the replica that leads, controllers and then runnables. All of it
    has `grace` seconds to end (0: none, negative: for ever). Reconciles that take longer are cut off, what goes on
    although it was cancelled is given up, and the manager fails with KaitoError GraceExceeded. It is started once.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        metrics_address: str,
        serving: Serving | None = None,
        grace: float = GRACE_SECONDS,
        cache_defaults: Selection | None = None,
        jitter: Jitter = system_jitter,
        reflector: ReflectorSettings | None = None,
    ) -> None:
        self.name = name
        self.client = client
        self.clock = clock
        self.registry = registry
        self.cache = Cache(client, defaults=cache_defaults, clock=clock, jitter=jitter, reflector=reflector)
        self.events = EventRecorder(client, name, clock, registry)
        client.compare_with(self.cache)
        self._surroundings = Surroundings(client, self.cache, clock, ControllerMetricFamilies(registry))
        self._all_caches: list[Cache] = []
        self._supervision = Supervision(clock, grace)
        self._servers = RunnableGroup("servers", self._supervision)
        self._caches = RunnableGroup("caches", self._supervision)
        self._standby = RunnableGroup("runnables of every replica", self._supervision)
        self._runnables = RunnableGroup("runnables", self._supervision, self._fenced)
        self._work = Work(self._supervision, self._fenced)
        self._election: Election | None = None
        self._ready_checks: dict[str, Check] = {"caches": self._unsynced}
        self._health_checks: dict[str, Check] = {"ping": str}
        self._server = MetricsServer(
            metrics_address,
            registry,
            self._health_checks,
            self._ready_checks,
            clock=clock,
            serving=serving,
            access=AccessFilter(client, clock),
        )
        self._started = asyncio.Event()
        self._stopping = asyncio.Event()
        self._was_started = False
        self._running: asyncio.Task[None] | None = None
        self.add_cache(self.cache)

    @classmethod
    def connect(
        cls,
        name: str,
        *,
        settings: ConnectionSettings | None = None,
        kubeconfig: str | None = None,
        metrics_address: str = "127.0.0.1:0",
        serving: Serving | None = None,
        field_manager: str | None = None,
        clock: Clock | None = None,
        grace: float = GRACE_SECONDS,
        reflector: ReflectorSettings | None = None,
        cache_defaults: Selection | None = None,
    ) -> AbstractAsyncContextManager["Manager"]:
        """Return a context that yields a manager and stops it at the end. No request is made before `start` or `run`.

        Without `settings` the connection is found as `load_connection` does. The field manager is `name` by default.
        Metrics and probes are at `metrics_address` (`host:port`, "0": nowhere); `serving` says what else is served,
        `reflector` how what is cached is listed and watched, and `cache_defaults` what is cached of kinds for which
        that was not chosen: namespaces, selectors, mode, resync.
        """

        def made(client: Client, registry: CollectorRegistry) -> "Manager":
            return cls(
                name,
                client,
                clock=clock or SystemClock(),
                registry=registry,
                metrics_address=metrics_address,
                serving=serving,
                grace=grace,
                reflector=reflector,
                cache_defaults=cache_defaults,
            )

        return _connected(made, settings or load_connection(kubeconfig), name, field_manager or name, clock)

    def add(self, controller: Controller) -> None:
        """Run a controller; one that is added after the start begins at once.

        Raises KaitoError NameTaken, ManagerStopped.
        """
        self._refuse_late(f"controller {controller.name}")
        controller.bind(self._surroundings)
        self._work.add(controller)

    def caching(
        self,
        kind: Kind[Any],
        *,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
        mode: Mode | None = None,
    ) -> None:
        """Cache a kind, or only a part of it (selectors in query form). Call it before a controller does.

        What is not chosen is as the cache's defaults have it; `manager.cache.register` takes all choices there are.
        """
        self.cache.register(kind, Selection(namespace, labels, fields, mode=mode))

    def elect(self, namespace: str = "") -> None:
        """Let controllers and runnables wait until this replica holds the Lease named as the manager.

        Call it before the start. `namespace` is the Lease's, by default that of the pod we run in; raises KaitoError
        NamespaceMissing outside of one. A replica that loses the Lease ends with KaitoError LeadershipLost.
        """
        self._election = Election(
            self.client, self.name, namespace, self.clock, self.events, self.registry, self._supervision
        )
        self.add_health_check("leader-election", self._election.leadership.unhealthy)

    def add_runnable(self, run: Runnable, *, needs_leadership: bool = True) -> None:
        """Run `run()` once the caches are filled, until the manager stops; its failure ends the manager.

        Without `needs_leadership` it runs on every replica, not on the elected one alone. Raises KaitoError
        ManagerStopped.
        """
        self._refuse_late("a runnable")
        (self._runnables if needs_leadership else self._standby).add(run)

    def add_server(self, run: Runnable, *, ready: Ready | None = None) -> None:
        """Run `run()` on every replica from before the caches are filled until after they stopped.

        That is for what an API server needs to answer a list: conversion webhooks, and their certificates. The caches
        wait until `ready()` has returned. Raises KaitoError ManagerStopped.
        """
        self._refuse_late("a server")
        self._servers.add(run, ready)

    def add_cache(self, cache: Cache) -> None:
        """Run another cache with the manager's own: that of a second cluster, with a client of its own.

        Controllers are fed by it through `KindSource(…, cache=cache)`. Raises KaitoError ManagerStopped.
        """
        self._refuse_late("a cache")
        self._caches.add(cache.run, cache.wait_for_sync)
        self._all_caches.append(cache)

    def add_health_check(self, name: str, check: Check) -> None:
        """Add a check to /healthz: it returns nothing, or what is wrong."""
        self._health_checks[name] = check

    def add_ready_check(self, name: str, check: Check) -> None:
        """Add a check to /readyz: it returns nothing, or what is wrong."""
        self._ready_checks[name] = check

    @property
    def metrics_port(self) -> int:
        """The port that metrics and health are served on; 0 before the start, or when off."""
        return self._server.port

    @property
    def profiling_port(self) -> int:
        """The port that profiles are served on; 0 before the start, or when off."""
        return self._server.profiling_port

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, then end what is in progress and return. A second signal ends it at once.

        Raises what `stop` does. The process is over then: `asyncio.run` does not wait for what was given up.
        """
        loop, before = asyncio.get_running_loop(), asyncio.all_tasks()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            garbage.set_aside()  # the program
            await self.start()
            if self._running is not None:
                garbage.set_aside()  # the caches
                await asyncio.wait((self._running,))
            await self.stop()
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            if self._supervision.left:
                for task in asyncio.all_tasks() - before:
                    asyncio._unregister_task(task)  # noqa: SLF001 - documented, for other kinds of tasks than ours

    async def start(self) -> None:
        """Start everything; returns when the caches are filled, or the manager is stopped. Raises what made it fail.

        Raises KaitoError AlreadyStarted the second time.
        """
        if self._was_started:
            raise KaitoError("AlreadyStarted", f"manager {self.name} was started before", terminal=True)
        self._was_started = True
        running = self._running = asyncio.create_task(self._main(), name=f"manager {self.name}")
        started = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait((started, running), return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if running.done():
            await self.stop()

    async def stop(self) -> None:
        """End what is in progress, stop everything. Raises what a runnable or controller failed with first.

        What failed after it is in that error's notes. Raises KaitoError GraceExceeded for what did not end in time.
        """
        self._stopping.set()
        if self._running is None:
            return
        running, self._running = self._running, None
        await asyncio.wait((running,))
        if not running.cancelled():
            running.result()
        if (exceeded := self._supervision.exceeded) is not None:
            raise exceeded

    def _refuse_late(self, what: str) -> None:
        if self._stopping.is_set():
            raise stopped(f"{what} cannot begin any more")

    def _on_signal(self, number: int) -> None:
        if self._stopping.is_set() and self._running is not None:
            self._supervision.cut()
            self._running.cancel()
        log.info("stopping", signal=signal.Signals(number).name)
        self._stopping.set()

    def _unsynced(self) -> str:
        return ", ".join(kind for cache in self._all_caches for kind in cache.pending)

    async def _main(self) -> None:
        """Hold everything that runs: what starts first stops last."""
        await self._server.start()
        try:
            async with self._events_written(), self._servers.running():
                served = self._supervision.run("readiness of the servers", self._servers.wait_until_ready)
                if await self._before_stop(served):
                    async with self._caches.running(), self._on_every_replica(), self._work.warming_up():
                        await self._elected()
        except BaseExceptionGroup as failures:
            raise self._supervision.first(failures) from failures
        finally:
            self._stopping.set()
            await self._server.stop()
        log.info("stopped", manager=self.name)

    async def _elected(self) -> None:
        """Lead, if we are elected or need not be."""
        if self._election is None:
            await self._lead()
        elif await self._before_stop(self._caches.wait_until_ready()):
            async with self._election.won(self._stopping) as leading:
                if leading:
                    await self._lead()

    async def _lead(self) -> None:
        """Do what one replica alone may do, until it is told to stop."""
        async with self._work.working():
            if await self._before_stop(self._caches.wait_until_ready()):
                async with self._runnables.running():
                    await self._stopping.wait()
                    self._work.shut_down()

    @asynccontextmanager
    async def _on_every_replica(self) -> AsyncIterator[None]:
        """Run what needs no leadership during the block, once the caches are filled."""
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(self._report_start(), name="start")
            try:
                yield
            finally:
                starting.cancel()

    async def _report_start(self) -> None:
        await self._caches.wait_until_ready()
        async with self._standby.running():
            self._started.set()
            log.info("started", manager=self.name, metrics_port=self.metrics_port)
            await asyncio.Event().wait()

    def _fenced(self) -> contextvars.Context:
        """Return the context of a task that writes as the leader: only while we lead."""
        if (election := self._election) is not None:
            return fenced(lambda: election.leadership.held)
        return contextvars.copy_context()

    async def _before_stop(self, wait: Coroutine[Any, Any, None]) -> bool:
        """Return True once `wait` has ended, False when the manager is told to stop before. Raises what it raises."""
        waiting, told = asyncio.create_task(wait), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((waiting, told), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
            return not self._stopping.is_set()
        finally:
            for task in (waiting, told):
                task.cancel()
            if not waiting.done():
                await asyncio.wait((waiting,))

    @asynccontextmanager
    async def _events_written(self) -> AsyncIterator[None]:
        """Write events during the block, and what is left of them after it."""
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(self.events.run(), name="events")
            try:
                yield
            finally:
                try:
                    async with deadline(self.clock, EVENT_FLUSH_SECONDS):
                        await self.events.flush()
                except TimeoutError:
                    log.warning("events were lost at the end", seconds=EVENT_FLUSH_SECONDS)
                finally:
                    writing.cancel()


@asynccontextmanager
async def _connected(
    made: Callable[[Client, CollectorRegistry], Manager],
    settings: ConnectionSettings,
    name: str,
    field_manager: str,
    clock: Clock | None,
) -> AsyncIterator[Manager]:
    """Give a manager with a client and metrics of its own, and stop it at the end."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    client = await Client.connect(
        settings, field_manager=field_manager, user_agent=name, clock=clock, registry=registry
    )
    manager = made(client, registry)
    try:
        yield manager
    finally:
        try:
            await manager.stop()
        finally:
            await client.close()
