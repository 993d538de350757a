"""What a controller's workers do: take a key, reconcile it, see what comes of it."""

import asyncio
from typing import Final, Protocol

from kaito.core.client import Write, recording
from kaito.core.clock import deadline
from kaito.core.controller.metrics import ControllerMetrics
from kaito.core.controller.outcome import DONE, SUCCESS, Outcome, Result, outcome_of
from kaito.core.controller.run import Run, resumed
from kaito.core.controller.surroundings import Surroundings
from kaito.core.errors import ConflictError, ConnectionLostError, KaitoError
from kaito.core.logs import get_logger, log_context
from kaito.core.objects import Key
from kaito.core.queue import Item, WorkQueue

log = get_logger()

TURN_SECONDS: Final = 0.005
"""How long reconciles that never wait may follow one another, in all workers, before other tasks get their turn."""


class Reconciler(Protocol):
    """Makes the world as one object wants it. Safe to run again at any time."""

    async def reconcile(self, key: Key) -> Result:
        """Bring the object `key` one step nearer to what it wants. Raises KaitoError; terminal ones are not retried."""
        ...


class Workers:
    """The `count` workers of one controller. `timeout` limits a reconcile, in seconds; None or 0 sets no limit."""

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        queue: WorkQueue[Key],
        metrics: ControllerMetrics,
        around: Surroundings,
        *,
        count: int,
        timeout: float | None,
        recover_panics: bool,
    ) -> None:
        self.count = count
        self._name = name
        self._reconciler = reconciler
        self._queue = queue
        self._metrics = metrics
        self._cache = around.cache
        self._clock = around.clock
        self._timeout = timeout or None
        self._recover_panics = recover_panics
        self._writes: dict[Key, tuple[Write, ...]] = {}

    async def work(self) -> None:
        """Be one of the workers: reconcile one key after the other until the queue is shut down."""
        turn, turn_began = TURN_SECONDS / self.count, self._clock.monotonic()
        while (item := await self._queue.get()) is not None:
            try:
                ended = await self._process(item)
            finally:
                self._queue.done(item.key)
            if ended - turn_began > turn and self._queue:
                await asyncio.sleep(0)
                turn_began = self._clock.monotonic()

    async def _process(self, item: Item[Key]) -> float:
        """Reconcile a key and act on what comes of it; returns the moment when that ended."""
        key = item.key
        log_context.set(Run(self._name, key))
        if key in self._writes and not await self._sees_own_writes(key):
            self._queue.retry(key, priority=item.priority)
            return self._clock.monotonic()
        started = self._clock.monotonic()
        with recording() as writes:
            result = await self._attempt(key)
        ended = self._clock.monotonic()
        self._metrics.seconds.observe(ended - started)
        if writes:
            self._writes[key] = tuple(writes.values())
        outcome = SUCCESS if result is DONE else outcome_of(result)
        self._settle(item, outcome)
        if isinstance(result, Exception):
            self._report(result, outcome)
        return ended

    async def _sees_own_writes(self, key: Key) -> bool:
        """Wait until the cache shows what this key's last reconcile wrote: nothing is decided on a state known as old.

        False when it does not in time; the key is tried again then, as after an error.
        """
        writes = self._writes[key]
        if not self._cache.shows(writes) and not await self._cache.wait_for_writes(writes):
            self._metrics.stale.inc()
            log.warning("cache lags behind own writes")
            return False
        del self._writes[key]
        return True

    async def _attempt(self, key: Key) -> Result | Exception:
        """Reconcile once; whatever is raised comes back as a value. Our own cancellation passes through.

        Only a reconcile that waits for something is given a limit of time: many never do, and no other can be ended.
        """
        limit: asyncio.Timeout | None = None
        try:
            reconcile = self._reconciler.reconcile(key)
            try:
                awaited = reconcile.send(None)
            except StopIteration as end:
                result: Result = end.value
                return result
            async with deadline(self._clock, self._timeout) as limit:
                result = await resumed(reconcile, awaited)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            return KaitoError("ReconcileCancelled", f"the reconcile of {key} cancelled what it waited for")
        except Exception as error:  # noqa: BLE001 - a reconciler is user code; its failure is its own key's
            if limit is None or not limit.expired():
                return error
            self._metrics.timeouts.inc()
            if not isinstance(error, TimeoutError):
                return error
            return KaitoError("ReconcileTimeout", f"the reconcile of {key} took longer than {self._timeout:g} s")
        if limit.expired():
            self._metrics.timeouts.inc()
        return result

    def _settle(self, item: Item[Key], outcome: Outcome) -> None:
        metrics, key = self._metrics, item.key
        metrics.results[outcome.label].inc()
        if outcome.label == "error":
            metrics.errors.inc()
        if outcome.terminal:
            metrics.terminal.inc()
        if outcome.forget:
            self._queue.forget(key)
        priority = item.priority if outcome.priority is None else outcome.priority
        if outcome.back_off:
            self._queue.retry(key, priority=priority)
        elif outcome.after is not None:
            self._queue.add(key, priority=priority, after=outcome.after)

    def _report(self, error: Exception, outcome: Outcome) -> None:
        if not isinstance(error, KaitoError):
            self._metrics.panics.inc()
            log.error("reconciler panicked", exc_info=error)
            if not self._recover_panics:
                raise error
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


def _is_cancelled() -> bool:
    """Say whether this very task is being cancelled, not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
