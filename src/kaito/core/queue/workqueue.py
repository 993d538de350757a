"""The work queue: waits for keys, hands each to one worker at a time, delays and retries them."""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from kaito.core.clock import Clock
from kaito.core.queue.limiter import ExponentialBackoff, MaxOf, RateLimiter, TokenBucket
from kaito.core.queue.metrics import QueueMetricFamilies, QueueMetrics
from kaito.core.queue.priority import AGEING, Item, PriorityOrder

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys to work on, each once. `run` must be running for delayed keys to come up.

    What is added while it waits, or while it is worked on, is worked on once more, not more often. Of two delays the
    shorter holds, and a key that is added without one is ready at once.

    `limiter` says how long failed keys wait (None: ExponentialBackoff). Every `ageing`th key is the one that waited
    longest, whatever the priorities; None keeps to them strictly. Without `priorities` the first to come is the first
    to be served.
    """

    def __init__(
        self,
        clock: Clock,
        metrics: QueueMetrics | None = None,
        *,
        limiter: RateLimiter[K] | None = None,
        priorities: bool = True,
        ageing: int | None = AGEING,
    ) -> None:
        self._clock = clock
        self._metrics = metrics or QueueMetrics(QueueMetricFamilies(None), "", clock.monotonic)
        self._limiter = limiter or ExponentialBackoff()
        self._priorities = priorities
        self._order: PriorityOrder[K] = PriorityOrder(ageing)
        self._metrics.measure(self._order)
        self._getters: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.Future[None] | None = None
        self._drained = asyncio.Event()
        self._delivers = True
        self.closed = False

    def __len__(self) -> int:
        return len(self._order)

    @property
    def working(self) -> int:
        """How many keys are being worked on."""
        return self._order.working

    def add(self, key: K, *, priority: int = 0, after: float = 0.0) -> None:
        """Add a key, in `after` seconds. Dropped once the queue is shut down."""
        if self.closed:
            return
        priority = priority if self._priorities else 0
        self._metrics.saw(priority)
        now = self._clock.monotonic()
        if after > 0:
            self._metrics.retries.inc()
            self._order.add(key, priority, now, now + after)
            if self._order.next_ready_at() == now + after and self._alarm is not None:
                self._alarm.cancel()
        elif self._order.add(key, priority, now):
            self._metrics.adds.inc()
            self._wake()

    def retry(self, key: K, *, priority: int = 0, after: float | None = None) -> float:
        """Add a key that failed, after its back-off, or `after` seconds if that is less; returns which it was."""
        pause = self._limiter.next(key)
        if after is not None:
            pause = min(pause, after)
        self.add(key, priority=priority, after=pause)
        return pause

    def forget(self, key: K) -> None:
        """Start a key's back-off over. It stays in the queue if it is there."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        """Return how often a key has failed in a row."""
        return self._limiter.failures(key)

    async def get(self) -> Item[K] | None:
        """Wait for a key; None once the queue is shut down. `done` must follow."""
        while self._delivers and not (self.closed and not self._order):
            if item := self._order.pop():
                self._metrics.started(item.key, item.ready_since)
                return item
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()  # we were woken for a key that we will not take
                raise
        return None

    def done(self, key: K) -> None:
        """Give a key back; if it was added meanwhile, it is handed out again."""
        self._metrics.finished(key)
        if self._order.done(key):
            self._wake()
        if self.closed:
            self._check_drained()

    def shut_down(self, *, deliver: bool = False) -> None:
        """Take no more keys. What is ready is dropped, or handed out first if `deliver`; what is delayed is dropped."""
        self.closed = True
        self._delivers = self._delivers and deliver
        self._metrics.freeze()
        if self._alarm is not None:
            self._alarm.cancel()
        self._check_drained()

    async def drain(self) -> None:
        """Shut down, and return once all that is ready was worked on.

        That includes what is added again while it is worked on. A later `shut_down` ends the wait.
        """
        self.shut_down(deliver=True)
        await self._drained.wait()

    async def run(self) -> None:
        """Bring up delayed keys when their time comes, until shut down. Sleeps until the next one, never polls."""
        loop = asyncio.get_running_loop()
        while not self.closed:
            now = self._clock.monotonic()
            for _ in range(self._order.ripen(now)):
                self._metrics.adds.inc()
                self._wake()
            next_at = self._order.next_ready_at()
            sleep = loop.create_future() if next_at is None else loop.create_task(self._clock.sleep(next_at - now))
            self._alarm = sleep
            try:
                await asyncio.wait((sleep,))
            finally:
                self._alarm = None
                sleep.cancel()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _check_drained(self) -> None:
        """When nothing is left to hand out, let those go who wait for keys, or for the end."""
        if self._order and self._delivers:
            return
        while self._getters:
            self._wake()
        if not self._delivers or not self._order.working:
            self._drained.set()


def classic_queue(clock: Clock, metrics: QueueMetrics | None = None) -> WorkQueue[Any]:
    """Return a queue as client-go's controllers have it: first come, first served, all keys' retries limited together.

    Failed keys back off as ever, and beyond a burst of 100 no more than 10 retries a second are let through.
    """
    limiter: MaxOf[Any] = MaxOf(ExponentialBackoff(), TokenBucket(clock))
    return WorkQueue(clock, metrics, limiter=limiter, priorities=False)
