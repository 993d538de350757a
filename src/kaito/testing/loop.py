"""An event loop whose time is virtual: when nothing can run, it jumps to the next timer instead of waiting for it.

Everything that asks the loop for time is on it (`asyncio.sleep`, `asyncio.timeout`, aiohttp's time-outs), so that a
whole operator with its API server runs through hours in moments, and in the same order each time.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, ParamSpec, TypeVar

from kaito.testing.leaks import no_leaks

P = ParamSpec("P")
T = TypeVar("T")

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop for tests, without sockets or threads that anyone waits for: those would not hold time up.

    RuntimeError when every task waits for something that no timer and no task will bring.
    """

    def __init__(self, elapsed: float = 0.0) -> None:
        self._elapsed = elapsed
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return virtual seconds; they begin with `elapsed`."""
        return self._elapsed

    def jump(self, seconds: float) -> None:
        """Let time pass at once."""
        self._elapsed += seconds


class LoopClock:
    """A `kaito.core.Clock` that shows the running loop's time."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start

    def jump(self, seconds: float) -> None:
        """Set the wall clock on, or back, as a time server may do; nothing sleeps longer or shorter for it."""
        self._start += timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Return the virtual wall clock."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return virtual seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of virtual time."""
        await asyncio.sleep(max(seconds, 0.0))


def run(main: Coroutine[Any, Any, T], *, elapsed: float = 0.0) -> T:
    """Run a coroutine on a loop of its own, with virtual time from `elapsed` seconds on."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(elapsed)) as runner:
        return runner.run(main)


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Let an async test run on a loop of its own, with virtual time; what it leaves behind fails it (`no_leaks`)."""

    async def leaving_nothing(*arguments: P.args, **options: P.kwargs) -> T:
        async with no_leaks():
            return await test(*arguments, **options)

    @functools.wraps(test)
    def in_virtual_time(*arguments: P.args, **options: P.kwargs) -> T:
        return run(leaving_nothing(*arguments, **options))

    return in_virtual_time


class _Jumping(selectors.BaseSelector):
    """Asked to wait for so long, it lets that much virtual time pass. asyncio asks so only when nothing can run."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = self._real.select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if timeout is None:
            raise RuntimeError("every task waits, and no timer is set: this would wait for ever")
        self._loop.jump(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
