"""One reconciler, what wakes it, and the workers that run it."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kaito.core.cache import Cache, Event
from kaito.core.client import Client, Write, recording
from kaito.core.clock import Clock, deadline
from kaito.core.controller.metrics import ControllerMetricFamilies, ControllerMetrics
from kaito.core.controller.outcome import Outcome, Result, outcome_of
from kaito.core.controller.sources import INITIAL_PRIORITY, Mapping, Predicate, Source, controller_owner, itself
from kaito.core.errors import ConflictError, ConnectionLostError, KaitoError
from kaito.core.logs import bound_contextvars, get_logger
from kaito.core.objects import Key, Kind
from kaito.core.queue import Item, QueueMetrics, WorkQueue

log = get_logger()

BARRIER_SECONDS: Final = 5.0
"""Longest wait for the cache to show our own writes, from controller-runtime's read-your-own-writes."""


class Reconciler(Protocol):
    """Makes the world as one object wants it. Safe to run again at any time."""

    async def reconcile(self, key: Key) -> Result:
        """Bring the object `key` one step nearer to what it wants. Raises KaitoError; terminal ones are not retried."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What a controller gets from its manager."""

    client: Client
    cache: Cache
    clock: Clock
    metrics: ControllerMetricFamilies


class Controller:
    """Runs `reconciler` for every key that its sources name, with `workers` at a time, never two for one key.

    `timeout` limits one reconcile, in seconds; None sets no limit. An exception of any kind ends that reconcile alone.
    """

    def __init__(self, name: str, reconciler: Reconciler, *, workers: int = 4, timeout: float | None = 60) -> None:
        self.name = name
        self._reconciler = reconciler
        self._workers = workers
        self._timeout = timeout
        self._sources: list[Source] = []
        self._early: list[tuple[Key, float]] = []
        self._writes: dict[Key, tuple[Write, ...]] = {}
        self._surroundings: Surroundings | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._queue: WorkQueue[Key]
        self._metrics: ControllerMetrics

    def watching(self, kind: Kind[Any], *, to: Mapping | None = None, when: Predicate | None = None) -> "Controller":
        """Reconcile what `to` makes of each change of a kind (None: the object itself), `when` the event matters."""
        self._sources.append(Source(kind, to or itself, when))
        return self

    def owning(self, kind: Kind[Any], *, owner: Kind[Any] | None = None, when: Predicate | None = None) -> "Controller":
        """Reconcile the `owner` (None: the first watched kind) that controls a changed object.

        Raises KaitoError NothingWatched if nothing is watched yet.
        """
        if owner is None:
            if not self._sources:
                raise KaitoError(
                    "NothingWatched",
                    f"controller {self.name} owns {kind} but watches nothing yet",
                    terminal=True,
                    remedy="Call `watching` first, or name the owner.",
                )
            owner = self._sources[0].kind
        return self.watching(kind, to=controller_owner(owner, self._is_namespaced), when=when)

    def enqueue(self, key: Key, after: float = 0) -> None:
        """Reconcile `key`, in `after` seconds."""
        if self._surroundings is None:
            self._early.append((key, after))
        else:
            self._queue.add(key, after=after)

    @property
    def kinds(self) -> list[Kind[Any]]:
        """The kinds that it watches."""
        return [source.kind for source in self._sources]

    def bind(self, surroundings: Surroundings) -> None:
        """Join a manager: subscribe to the cache and fill the queue; nothing is reconciled before `run`."""
        self._surroundings = surroundings
        clock, metrics = surroundings.clock, surroundings.metrics
        self._queue = WorkQueue(clock, QueueMetrics(metrics.queue, self.name, clock.monotonic))
        self._metrics = ControllerMetrics(metrics, self.name, self._workers)
        for key, after in self._early:
            self._queue.add(key, after=after)
        for source in self._sources:
            surroundings.cache.subscribe(source.kind, self._receiver(source))

    async def run(self) -> None:
        """Reconcile until `shut_down`, once all watched kinds are listed. Returns when the last reconcile has ended."""
        if not await self._synced():
            return
        log.info("starting workers", controller=self.name, workers=self._workers)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run(), name=f"{self.name} delays")
            for number in range(self._workers):
                group.create_task(self._work(), name=f"{self.name} worker {number}")

    def shut_down(self) -> None:
        """Begin no reconcile any more; `run` returns when the current ones have ended."""
        if self._surroundings is not None:
            self._queue.shut_down()
        if self._syncing is not None:
            self._syncing.cancel()

    async def _synced(self) -> bool:
        """Wait for the watched kinds to be listed; False if the controller is shut down before."""
        self._syncing = asyncio.ensure_future(self._bound.cache.wait_for_sync(self.kinds))
        try:
            await self._syncing
        except asyncio.CancelledError:
            if self._queue.closed:
                return False
            raise
        finally:
            self._syncing = None
        return not self._queue.closed

    @property
    def _bound(self) -> Surroundings:
        assert self._surroundings is not None, "a controller runs in a manager"
        return self._surroundings

    def _is_namespaced(self, kind: Kind[Any]) -> bool | None:
        if kind.namespaced is not None:
            return kind.namespaced
        resource = self._bound.client.known_resource(kind)
        return None if resource is None else resource.namespaced

    def _receiver(self, source: Source) -> Callable[[Event], None]:
        def receive(event: Event) -> None:
            for key in source.keys(event):
                self._queue.add(key, priority=INITIAL_PRIORITY if event.initial else 0)

        return receive

    async def _work(self) -> None:
        while (item := await self._queue.get()) is not None:
            self._metrics.active.inc()
            try:
                await self._process(item)
            finally:
                self._metrics.active.dec()
                self._queue.done(item.key)

    async def _process(self, item: Item[Key]) -> None:
        key = item.key
        await self._see_own_writes(key)
        started = self._bound.clock.monotonic()
        context = {
            "controller": self.name,
            "namespace": key.namespace,
            "name": key.name,
            "reconcileID": str(uuid.uuid4()),
        }
        with bound_contextvars(**context), recording() as writes:
            result = await self._attempt(key)
            if writes:
                self._writes[key] = tuple(writes.values())
            self._metrics.seconds.observe(self._bound.clock.monotonic() - started)
            outcome = outcome_of(result)
            self._settle(item, outcome)
            if isinstance(result, Exception):
                self._report(result, outcome)

    async def _see_own_writes(self, key: Key) -> None:
        """Wait until the cache shows what this key's last reconcile wrote, so that it is not written again."""
        writes = self._writes.pop(key, ())
        cache = self._bound.cache
        if not writes or cache.shows(writes):
            return
        if not await cache.wait_for_writes(writes, BARRIER_SECONDS):
            self._metrics.stale.inc()
            log.warning("cache lags behind own writes", controller=self.name, namespace=key.namespace, name=key.name)

    async def _attempt(self, key: Key) -> Result | Exception:
        """Reconcile once; whatever is raised comes back as a value. Cancellation passes through."""
        limit: asyncio.Timeout | None = None
        try:
            async with deadline(self._bound.clock, self._timeout) as limit:
                return await self._reconciler.reconcile(key)
        except TimeoutError as error:
            if limit is None or not limit.expired():
                return error
            self._metrics.timeouts.inc()
            return KaitoError("ReconcileTimeout", f"reconcile of {key} took longer than {self._timeout:g} s")
        except Exception as error:  # noqa: BLE001 - a reconciler is user code; its failure is its own key's
            return error

    def _settle(self, item: Item[Key], outcome: Outcome) -> None:
        self._metrics.results[outcome.label].inc()
        if outcome.label == "error":
            self._metrics.errors.inc()
        if outcome.terminal:
            self._metrics.terminal.inc()
        if outcome.forget:
            self._queue.forget(item.key)
        if outcome.back_off:
            self._queue.retry(item.key, priority=item.priority)
        elif outcome.after is not None:
            self._queue.add(item.key, priority=item.priority, after=outcome.after)

    def _report(self, error: Exception, outcome: Outcome) -> None:
        if not isinstance(error, KaitoError):
            self._metrics.panics.inc()
            log.error("reconciler panicked", exc_info=error)
        elif isinstance(error, ConflictError | ConnectionLostError):
            log.info("reconcile will be tried again", reason=error.reason, error=error.message)
        else:
            log.error(
                "reconciler error",
                reason=error.reason,
                error=error.message,
                remedy=error.remedy,
                terminal=outcome.terminal,
            )
