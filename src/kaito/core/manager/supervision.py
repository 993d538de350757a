"""What all that a manager runs has in common: its failures, and how long it may take to end."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

from kaito.core.clock import Clock, deadline
from kaito.core.errors import KaitoError

_TURNS: Final = 50
"""Turns of the event loop that what was cut off has to unwind, once there is no time left: enough to close sockets."""


class Supervision:
    """Runs what a manager is told to, notes what fails, and gives up what does not end within the grace period.

    The grace period is one for all: `grace` seconds from the first end that is waited for; 0 is none, a negative number
    for ever. What is given up still runs: whoever sees `left` must not act as if it did not.
    """

    def __init__(self, clock: Clock, grace: float) -> None:
        self.left: list[str] = []
        """What was told to end, and did not."""
        self._late: list[str] = []
        self._clock = clock
        self._grace = grace
        self._end: float | None = None
        self._cut = asyncio.Event()
        self._noted: list[BaseException] = []

    async def run(self, name: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Await `work()`, and note what it raises. Cancelled, end it; one that takes too long is given up."""
        task = asyncio.create_task(work(), name=name)
        try:
            await self._outcome(name, task)
        except Exception as error:
            self._noted += _leaves(error) if isinstance(error, ExceptionGroup) else [error]
            raise

    async def wait(self, tasks: Collection[asyncio.Task[Any]]) -> None:
        """Return when all `tasks` have ended, or the grace period has passed and they had a moment to unwind."""
        over, pending = asyncio.create_task(self._passed()), set(tasks)
        try:
            while pending and not over.done():
                await asyncio.wait((*pending, over), return_when=asyncio.FIRST_COMPLETED)
                pending = {task for task in pending if not task.done()}
        finally:
            over.cancel()
        for _ in range(_TURNS):
            if all(task.done() for task in pending):
                return
            await asyncio.sleep(0)

    def cut(self) -> None:
        """End the grace period now."""
        self._cut.set()

    def is_late(self, name: str) -> None:
        """Note what has to be cut off because the grace period has passed. Without one that is no failure."""
        if not self._is_cut:
            self._late.append(name)

    @property
    def exceeded(self) -> KaitoError | None:
        """What did not end in time."""
        period = "at once" if self._is_cut else f"within {self._grace:g} s"
        late = [name for name in self._late if name not in self.left]
        ends = ((late, "cut off"), (self.left, "still running"))
        said = [f"{', '.join(names)} did not end {period} ({fate})" for names, fate in ends if names]
        if not said:
            return None
        remedy = "Let what is cancelled end sooner, or give the manager a longer grace period."
        return KaitoError("GraceExceeded", "; ".join(said), terminal=True, remedy=remedy)

    def first(self, raised: BaseExceptionGroup[Any]) -> BaseException:
        """Return what failed first of what a group `raised`; what failed later, or did not end, is in its notes."""
        leaves = _leaves(raised)
        first = next((error for error in self._noted if error in leaves), leaves[0])
        for other in (*leaves, self.exceeded):
            if other is not None and other is not first:
                first.add_note(f"At the stop after it failed too: {other!r}")
        return first

    @property
    def _is_cut(self) -> bool:
        return self._cut.is_set() or self._grace == 0

    async def _outcome(self, name: str, task: asyncio.Task[Any]) -> None:
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
            try:
                await self.wait((task,))
            finally:
                if not task.done():
                    self.left.append(name)
            if task.done() and not task.cancelled():
                task.result()
            raise
        if not task.cancelled():
            task.result()

    async def _passed(self) -> None:
        """Return when the grace period has passed; it begins now, if it has not before."""
        if self._end is None:
            self._end = self._clock.monotonic() + self._grace
        try:
            async with deadline(self._clock, None if self._grace < 0 else self._end - self._clock.monotonic()):
                await self._cut.wait()
        except TimeoutError:
            return


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for one in group.exceptions:
        found += _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found
