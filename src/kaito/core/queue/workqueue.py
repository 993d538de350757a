"""The work queue: waits for keys, hands each to one worker at a time, delays and retries them."""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from kaito.core.clock import Clock
from kaito.core.queue.limiter import ExponentialBackoff
from kaito.core.queue.metrics import QueueMetrics
from kaito.core.queue.priority import Change, Item, PriorityOrder

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys to work on, each once. `run` must be running for delayed keys to come up."""

    def __init__(self, clock: Clock, metrics: QueueMetrics, limiter: ExponentialBackoff[K] | None = None) -> None:
        self._clock = clock
        self._metrics = metrics
        self._limiter = limiter or ExponentialBackoff()
        self._order: PriorityOrder[K] = PriorityOrder()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._earlier = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.closed = False

    def __len__(self) -> int:
        return len(self._order)

    def add(self, key: K, *, priority: int = 0, after: float = 0.0) -> None:
        """Add a key, in `after` seconds. Dropped once the queue is shut down."""
        if self.closed:
            return
        now = self._clock.monotonic()
        if after > 0:
            self._metrics.retries.inc()
        first = self._order.next_ready_at()
        self._count(self._order.add(key, priority, now, now + after if after > 0 else None))
        following = self._order.next_ready_at()
        if following is not None and (first is None or following < first):
            self._earlier.set()

    def retry(self, key: K, *, priority: int = 0) -> float:
        """Add a key that failed, after its back-off; returns the seconds."""
        pause = self._limiter.next(key)
        self.add(key, priority=priority, after=pause)
        return pause

    def forget(self, key: K) -> None:
        """Start a key's back-off over."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        """Return how often a key has failed in a row."""
        return self._limiter.failures(key)

    async def get(self) -> Item[K] | None:
        """Wait for a key; None once the queue is shut down. `done` must follow."""
        while not self.closed:
            if item := self._order.pop():
                self._metrics.lost(item.priority)
                self._metrics.started(item.key, item.ready_since)
                self._idle.clear()
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
        if not self._order.working:
            self._idle.set()

    def shut_down(self) -> None:
        """Take no more keys and hand out none; what waits is dropped."""
        self.closed = True
        self._earlier.set()
        while self._getters:
            self._wake()

    async def drained(self) -> None:
        """Return once no worker holds a key."""
        await self._idle.wait()

    async def run(self) -> None:
        """Bring up delayed keys when their time comes, until shut down. Sleeps until the next one, never polls."""
        while not self.closed:
            self._earlier.clear()
            for change in self._order.ripen(self._clock.monotonic()):
                self._count(change)
            ready_at = self._order.next_ready_at()
            if ready_at is None:
                await self._earlier.wait()
            else:
                await self._sleep_until(ready_at)

    async def _sleep_until(self, moment: float) -> None:
        """Sleep until `moment`, or until a key is added that is due before it."""
        alarm = asyncio.create_task(self._clock.sleep(moment - self._clock.monotonic()))
        earlier = asyncio.create_task(self._earlier.wait())
        try:
            await asyncio.wait((alarm, earlier), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            earlier.cancel()

    def _count(self, change: Change) -> None:
        if change.lost is not None:
            self._metrics.lost(change.lost)
        if change.gained is not None:
            self._metrics.gained(change.gained)
            if change.lost is None:
                self._metrics.adds.inc()
            self._wake()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return
