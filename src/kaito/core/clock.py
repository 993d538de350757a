"""Time and randomness, injected: nothing else in core reads a clock or throws dice, so that tests need not sleep."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, Protocol

Jitter = Callable[[], float]
"""Draws a number in [0, 1)."""

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""What systems without the former call so goes on while they sleep."""


class Clock(Protocol):
    """What the time is, and how to let it pass."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC datetime."""
        ...

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at most 0 only yields to other tasks."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC datetime."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds of a clock that goes on while the machine sleeps: a leader that wakes up knows its age."""
        return time.clock_gettime(_STEADY)

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(max(seconds, 0.0))


def system_jitter() -> float:
    """Draw from the system's generator; spreads retries, guards no secret."""
    return random.random()  # noqa: S311 - spreads retries, guards no secret


def timestamp(moment: datetime) -> str:
    """Return `metav1.Time` JSON: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: datetime) -> str:
    """Return `metav1.MicroTime` JSON: RFC 3339, UTC, microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: str) -> datetime:
    """Return the moment of a `metav1.Time` or `MicroTime`; raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"timestamp {text!r} has no time zone")
    return moment.astimezone(UTC)


@asynccontextmanager
async def deadline(clock: Clock, seconds: float | None) -> AsyncIterator[asyncio.Timeout]:
    """Cancel the block after `seconds` of `clock` and raise TimeoutError; None sets no limit.

    The yielded timeout says through `expired()` whether it was this limit that fired.
    """
    if seconds is None or isinstance(clock, SystemClock):
        async with asyncio.timeout(seconds) as timeout:
            yield timeout
        return
    async with asyncio.timeout(None) as timeout:
        alarm = asyncio.create_task(_expire(clock, seconds, timeout))
        try:
            yield timeout
        finally:
            alarm.cancel()


async def _expire(clock: Clock, seconds: float, limit: asyncio.Timeout) -> None:
    await clock.sleep(seconds)
    limit.reschedule(asyncio.get_running_loop().time())
