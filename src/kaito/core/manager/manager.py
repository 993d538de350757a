"""One process of controllers: connection, cache, health, signals; started in order, stopped in order."""

import asyncio
import contextvars
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from kaito.core.cache import Cache, Selection
from kaito.core.client import Client, ConnectionSettings, fenced, load_connection
from kaito.core.clock import Clock, Jitter, SystemClock, deadline, system_jitter
from kaito.core.controller import Controller, ControllerMetricFamilies, Surroundings
from kaito.core.events import EventRecorder
from kaito.core.logs import get_logger
from kaito.core.manager.access import AccessFilter
from kaito.core.manager.election import Election
from kaito.core.manager.health import Check
from kaito.core.manager.serving import MetricsServer, Serving
from kaito.core.objects import Kind

log = get_logger()

GRACE_SECONDS: Final = 30.0
"""How long reconciles may take to end after a signal, from controller-runtime."""
EVENT_FLUSH_SECONDS: Final = 5.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_GC_THRESHOLDS: Final = (50_000, 20, 100)
"""A large cache makes full collections long; it holds no cycles."""

Runnable = Callable[[], Coroutine[Any, Any, None]]


class Manager:
    """Owns client, cache and controllers. Use it as `async with Manager.connect(…) as manager`."""

    def __init__(
        self,
        name: str,
        client: Client,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        metrics_address: str,
        serving: Serving | None = None,
        jitter: Jitter = system_jitter,
    ) -> None:
        self.name = name
        self.client = client
        self.clock = clock
        self.registry = registry
        self.cache = Cache(client, clock=clock, jitter=jitter)
        self.events = EventRecorder(client, name, clock, registry)
        client.compare_with(self.cache)
        self._surroundings = Surroundings(client, self.cache, clock, ControllerMetricFamilies(registry))
        self._controllers: list[Controller] = []
        self._runnables: list[Runnable] = []
        self._standby: list[Runnable] = []
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
        self._groups: dict[str, asyncio.TaskGroup] = {}
        self._working: dict[Controller, asyncio.Task[None]] = {}
        self._elected = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

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
    ) -> AbstractAsyncContextManager["Manager"]:
        """Return a context that yields a manager and stops it at the end. No request is made before `start` or `run`.

        Without `settings` the connection is found as `load_connection` does. The field manager is `name` by default.
        Metrics and probes are at `metrics_address` (`host:port`, "0": nowhere); `serving` says what else is served.
        """
        found = settings or load_connection(kubeconfig)
        return cls._connected(name, found, metrics_address, serving, field_manager or name, clock or SystemClock())

    @classmethod
    @asynccontextmanager
    async def _connected(
        cls,
        name: str,
        settings: ConnectionSettings,
        metrics_address: str,
        serving: Serving | None,
        field_manager: str,
        clock: Clock,
    ) -> "AsyncIterator[Manager]":
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        client = await Client.connect(
            settings, field_manager=field_manager, user_agent=name, clock=clock, registry=registry
        )
        manager = cls(name, client, clock=clock, registry=registry, metrics_address=metrics_address, serving=serving)
        try:
            yield manager
        finally:
            try:
                await manager.stop()
            finally:
                await client.close()

    def add(self, controller: Controller) -> None:
        """Run a controller; one that is added after the start begins at once. Raises KaitoError NameTaken."""
        controller.bind(self._surroundings)
        self._controllers.append(controller)
        if group := self._groups.get("controllers"):
            self._work(group, controller)

    def caching(self, kind: Kind[Any], *, namespace: str | None = None, labels: str = "", fields: str = "") -> None:
        """Cache a kind, or only a part of it (selectors in query form). Call it before a controller does."""
        self.cache.register(kind, Selection(namespace, labels, fields))

    def elect(self, namespace: str = "") -> None:
        """Let controllers and runnables wait until this replica holds the Lease named as the manager.

        Call it before the start. `namespace` is the Lease's, by default that of the pod we run in; raises KaitoError
        NamespaceMissing outside of one. A replica that loses the Lease ends with KaitoError LeadershipLost.
        """
        self._election = Election(self.client, self.name, namespace, self.clock, self.events, self.registry)
        self.add_health_check("leader-election", self._election.leadership.unhealthy)

    def add_runnable(self, run: Runnable, *, needs_leadership: bool = True) -> None:
        """Run `run()` once the caches are filled, until the manager stops; its failure ends the manager.

        Without `needs_leadership` it runs on every replica, not on the elected one alone.
        """
        (self._runnables if needs_leadership else self._standby).append(run)
        if group := self._groups.get("runnables" if needs_leadership else "standby"):
            group.create_task(run(), context=self._context(fence=needs_leadership))

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
        """Run until SIGTERM or SIGINT, then end what is in progress and return. A second signal ends it at once."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            await self.start()
            if self._running is not None:
                _tune_garbage_collection()
                await asyncio.wait((self._running,))
            await self.stop()
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    async def start(self) -> None:
        """Start everything; returns when the caches are filled, or the manager is stopped. Raises what made it fail."""
        assert self._running is None, "a manager is started once"
        running = self._running = asyncio.create_task(self._main(), name=f"manager {self.name}")
        started = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait((started, running), return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if running.done():
            await self.stop()

    async def stop(self) -> None:
        """End what is in progress, stop everything. Raises what a runnable or controller failed with."""
        self._stopping.set()
        if self._running is None:
            return
        running, self._running = self._running, None
        await asyncio.wait((running,))
        if not running.cancelled():
            running.result()

    def _on_signal(self, number: int) -> None:
        if self._stopping.is_set() and self._running is not None:
            self._running.cancel()
        log.info("stopping", signal=signal.Signals(number).name)
        self._stopping.set()

    @property
    def _deposed(self) -> bool:
        return self._election is not None and not self._election.leadership.held

    def _unsynced(self) -> str:
        return ", ".join(self.cache.pending)

    async def _main(self) -> None:
        """Hold everything that runs: what starts first stops last."""
        await self._server.start()
        try:
            async with (
                self._events_written(),
                self._group("caches", self.cache.run),
                self._on_every_replica(),
                self._warm_ups_running(),
            ):
                if self._election is None:
                    await self._lead()
                else:
                    await self._first_of(self.cache.wait_for_sync(), self._stopping.wait())
                    async with self._election.won(self._stopping) as leading:
                        if leading:
                            await self._lead()
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        finally:
            await self._server.stop()
        log.info("stopped", manager=self.name)

    async def _lead(self) -> None:
        """Do what one replica alone may do, until it is told to stop."""
        async with self._controllers_running():
            await self._first_of(self.cache.wait_for_sync(), self._stopping.wait())
            if not self._stopping.is_set():
                async with self._group("runnables", *self._runnables, fence=True):
                    await self._stopping.wait()

    @asynccontextmanager
    async def _on_every_replica(self) -> AsyncIterator[None]:
        """Run what needs no leadership during the block, once the caches are filled."""
        async with self._group("start", self._report_start):
            yield

    async def _report_start(self) -> None:
        await self.cache.wait_for_sync()
        async with self._group("standby", *self._standby):
            self._started.set()
            log.info("started", manager=self.name, metrics_port=self.metrics_port)
            await asyncio.Event().wait()

    def _context(self, *, fence: bool) -> contextvars.Context:
        """Return the context of a new task; in a fenced one only a leader writes."""
        if fence and (election := self._election) is not None:
            return fenced(lambda: election.leadership.held)
        return contextvars.copy_context()

    def _work(self, group: asyncio.TaskGroup, controller: Controller) -> None:
        run, context = controller.run(self._elected), self._context(fence=True)
        self._working[controller] = group.create_task(run, name=f"controller {controller.name}", context=context)

    async def _first_of(self, *waits: Coroutine[Any, Any, Any]) -> None:
        tasks = [asyncio.create_task(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    @asynccontextmanager
    async def _group(self, name: str, *runs: Runnable, fence: bool = False) -> AsyncIterator[None]:
        """Run a group of tasks during the block; they are cancelled at its end."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(), context=self._context(fence=fence)) for run in runs]
            self._groups[name] = group
            try:
                yield
            finally:
                del self._groups[name]
                for task in tasks:
                    task.cancel()

    @asynccontextmanager
    async def _warm_ups_running(self) -> AsyncIterator[None]:
        """Let controllers that warm up gather their keys during the block; they work once this replica leads."""
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                if controller.warm_up:
                    self._work(group, controller)
            try:
                yield
            finally:
                for controller in self._working:
                    controller.shut_down()

    @asynccontextmanager
    async def _controllers_running(self) -> AsyncIterator[None]:
        """Run the controllers during the block; at its end they may finish what they are at, for a while."""
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                if controller not in self._working:
                    self._work(group, controller)
            self._elected.set()
            self._groups["controllers"] = group
            try:
                yield
            finally:
                del self._groups["controllers"]
                await self._drain()

    async def _drain(self) -> None:
        """Let reconciles end; those that take too long, or run without leadership, are cancelled."""
        for controller in self._controllers:
            controller.shut_down()
        busy = [task for task in self._working.values() if not task.done()]
        try:
            async with deadline(self.clock, GRACE_SECONDS):
                if busy and not self._deposed:
                    await asyncio.wait(busy)
        except TimeoutError:
            log.error("reconciles were cut off after the grace period", seconds=GRACE_SECONDS)
        finally:
            for task in busy:
                task.cancel()

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


def _first(failures: BaseExceptionGroup[Any]) -> BaseException:
    """Return the first single failure of nested groups."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def _tune_garbage_collection() -> None:
    """Take what the caches hold out of the collector's sight, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
