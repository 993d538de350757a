"""One reconciler, what wakes it, and the workers that run it."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from kaito.core.clock import Clock, deadline
from kaito.core.controller.handlers import Mapping, itself, owners_of
from kaito.core.controller.metrics import ControllerMetrics
from kaito.core.controller.predicates import Predicate
from kaito.core.controller.sources import KindSource, Source
from kaito.core.controller.surroundings import Surroundings
from kaito.core.controller.workers import Reconciler, Workers
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.core.objects import Key, Kind
from kaito.core.queue import QueueMetrics, WorkQueue

log = get_logger()

SYNC_SECONDS: Final = 120.0
"""How long the sources of a controller may take to start, from controller-runtime."""

MakeQueue = Callable[[Clock, QueueMetrics], WorkQueue[Key]]
"""Makes a controller's queue: `WorkQueue`, `classic_queue`, or `functools.partial(WorkQueue, …)` with other options."""


class Controller:
    """Runs `reconciler` for every key that its sources name, with `workers` at a time, never two for one key.

    `timeout` limits one reconcile, in seconds; None sets no limit. A reconciler that raises something else than
    KaitoError ends that reconcile alone, unless `recover_panics` is off: then it ends the manager. Sources that take
    longer than `sync_timeout` seconds to start end the manager too.

    With `warm_up` the sources start before this replica leads, so that it has its keys together when it does. Metric
    series bear their controller's name, so no two of a process may have the same.
    """

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        *,
        workers: int = 4,
        timeout: float | None = 60,
        sync_timeout: float = SYNC_SECONDS,
        recover_panics: bool = True,
        warm_up: bool = False,
        queue: MakeQueue = WorkQueue,
    ) -> None:
        self.name = name
        self.warm_up = warm_up
        self._reconciler = reconciler
        self._workers = workers
        self._timeout = timeout
        self._sync_timeout = sync_timeout
        self._recover_panics = recover_panics
        self._make_queue = queue
        self._sources: list[Source] = []
        self._early: list[tuple[Key, float, int]] = []
        self._surroundings: Surroundings | None = None
        self._group: asyncio.TaskGroup | None = None
        self._feeding: dict[asyncio.Task[None], asyncio.Event] = {}
        self._waiting: asyncio.Task[None] | None = None
        self._was_started = False
        self._queue: WorkQueue[Key]
        self._metrics: ControllerMetrics

    def watching(self, kind: Kind[Any], *, to: Mapping | None = None, when: Predicate | None = None) -> "Controller":
        """Reconcile what `to` makes of each change of a kind (None: the object itself), `when` the change matters."""
        return self.fed_by(KindSource(kind, to or itself, when))

    def owning(
        self,
        kind: Kind[Any],
        *,
        owner: Kind[Any] | None = None,
        when: Predicate | None = None,
        controller_only: bool = True,
    ) -> "Controller":
        """Reconcile the `owner` (None: the first watched kind) that controls a changed object.

        Without `controller_only`, all its owners of that kind. Raises KaitoError NothingWatched if there is no first.
        """
        if owner is None:
            if not self.kinds:
                raise KaitoError(
                    "NothingWatched",
                    f"controller {self.name} owns {kind} but watches nothing yet",
                    terminal=True,
                    remedy="Call `watching` first, or name the owner.",
                )
            owner = self.kinds[0]
        return self.watching(kind, to=owners_of(owner, self._is_namespaced, controller_only=controller_only), when=when)

    def fed_by(self, source: Source) -> "Controller":
        """Reconcile the keys that `source` puts into the queue. Added to a running controller, it begins at once."""
        self._sources.append(source)
        if self._surroundings is not None:
            self._register(source, self._surroundings)
        if self._group is not None:
            self._begin(source, self._group)
        return self

    def enqueue(self, key: Key, after: float = 0, *, priority: int = 0) -> None:
        """Reconcile `key`, in `after` seconds."""
        if self._surroundings is None:
            self._early.append((key, after, priority))
        else:
            self._queue.add(key, after=after, priority=priority)

    @property
    def kinds(self) -> list[Kind[Any]]:
        """The kinds that it watches."""
        return [source.kind for source in self._sources if isinstance(source, KindSource)]

    def bind(self, surroundings: Surroundings) -> None:
        """Join a manager: what is to be watched is cached from now on. Raises KaitoError NameTaken."""
        self._metrics = surroundings.metrics.controller(self.name, self._workers)
        metrics = QueueMetrics(surroundings.metrics.queue, self.name, surroundings.clock.monotonic)
        self._queue = self._make_queue(surroundings.clock, metrics)
        self._metrics.active.set_function(lambda: self._queue.working)
        self._surroundings = surroundings
        for key, after, priority in self._early:
            self._queue.add(key, after=after, priority=priority)
        for source in self._sources:
            self._register(source, surroundings)

    async def run(self, elected: asyncio.Event | None = None) -> None:
        """Reconcile until `shut_down`, once all sources have started; returns when the last reconcile has ended.

        With `elected`, the sources start now and the workers not before that is set. Raises KaitoError AlreadyStarted,
        and in an exception group SourcesNotStarted, or what a source failed with.
        """
        if self._was_started:
            raise KaitoError("AlreadyStarted", f"controller {self.name} was started before", terminal=True)
        self._was_started = True
        if self._queue.closed:
            return
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for source in self._sources:
                    self._begin(source, group)
                if await self._may_work(group, elected):
                    await self._work()
            finally:
                self._group = None
                for task in self._feeding:
                    task.cancel()

    def shut_down(self) -> None:
        """Begin no reconcile any more; `run` returns when the current ones have ended."""
        if self._surroundings is not None:
            self._queue.shut_down()
        if self._waiting is not None:
            self._waiting.cancel()

    def _register(self, source: Source, surroundings: Surroundings) -> None:
        if isinstance(source, KindSource) and source.cache is None:
            surroundings.cache.register(source.kind)

    def _begin(self, source: Source, group: asyncio.TaskGroup) -> None:
        started = asyncio.Event()
        task = group.create_task(self._feed(source, started), name=source.name)
        self._feeding[task] = started

    async def _feed(self, source: Source, started: asyncio.Event) -> None:
        try:
            await source.feed(self._queue, self._bound, started.set)
        except Exception as error:
            raise KaitoError("SourceFailed", f"controller {self.name}: source {source.name} failed: {error}") from error
        started.set()

    async def _may_work(self, group: asyncio.TaskGroup, elected: asyncio.Event | None) -> bool:
        """Wait for the sources and for leadership; False if the controller is shut down before."""
        self._waiting = group.create_task(self._started(elected), name=f"start of {self.name}")
        await asyncio.wait((self._waiting,))
        return not self._waiting.cancelled() and self._waiting.exception() is None and not self._queue.closed

    async def _started(self, elected: asyncio.Event | None) -> None:
        try:
            async with deadline(self._bound.clock, self._sync_timeout):
                for started in tuple(self._feeding.values()):
                    await started.wait()
        except TimeoutError:
            late = ", ".join(task.get_name() for task, started in self._feeding.items() if not started.is_set())
            raise KaitoError(
                "SourcesNotStarted",
                f"controller {self.name}: {late} not there after {self._sync_timeout:g} s",
                remedy="See whether the server serves these kinds and this program may list and watch them.",
            ) from None
        if elected is not None:
            await elected.wait()

    async def _work(self) -> None:
        workers = Workers(
            self.name,
            self._reconciler,
            self._queue,
            self._metrics,
            self._bound,
            count=self._workers,
            timeout=self._timeout,
            recover_panics=self._recover_panics,
        )
        log.info("starting workers", controller=self.name, workers=self._workers)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run(), name=f"{self.name} delays")
            for number in range(workers.count):
                group.create_task(workers.work(), name=f"{self.name} worker {number}")

    @property
    def _bound(self) -> Surroundings:
        assert self._surroundings is not None, "a controller runs in a manager"
        return self._surroundings

    def _is_namespaced(self, kind: Kind[Any]) -> bool | None:
        if kind.namespaced is not None:
            return kind.namespaced
        resource = self._bound.client.known_resource(kind)
        return None if resource is None else resource.namespaced
