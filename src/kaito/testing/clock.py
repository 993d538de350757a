"""A clock that the test moves: what sleeps on it wakes in order, at once, without real time passing."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

_SETTLING_TURNS = 50
"""Turns of the event loop given to woken tasks before time moves on; more than any chain of awaits in core needs."""


class VirtualClock:
    """A `kaito.core.Clock` whose time stands still until the test calls `advance`.

    Tasks that wait for anything else than this clock (a socket, a thread) do not delay it.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Return the virtual wall clock."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return virtual seconds since the clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Return once the test has advanced the clock by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        await future

    @property
    def sleeping(self) -> int:
        """How many tasks wait for this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    @property
    def next_wake(self) -> float | None:
        """Seconds until the first sleeper wakes; None if nobody sleeps."""
        self._forget_cancelled()
        return self._sleepers[0][0] - self._elapsed if self._sleepers else None

    async def settle(self) -> None:
        """Let every task that can run do so, without moving time."""
        for _ in range(_SETTLING_TURNS):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Move time on by `seconds`, waking sleepers in order and letting each of them run before the next wakes."""
        until = self._elapsed + seconds
        await self.settle()
        while True:
            self._forget_cancelled()
            if not self._sleepers or self._sleepers[0][0] > until:
                break
            moment, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, moment)
            future.set_result(None)
            await self.settle()
        self._elapsed = until
        await self.settle()

    def _forget_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
