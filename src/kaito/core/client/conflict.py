"""Reading again and writing again when another was faster."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from kaito.core.clock import Clock, Jitter, SystemClock, system_jitter
from kaito.core.errors import ConflictError

T = TypeVar("T")

TRIES: Final = 5
PAUSE_SECONDS: Final = 0.01
JITTER: Final = 0.1
"""Tries, the pause between two, and the part of it that is added by chance: client-go's DefaultRetry."""


async def retry_on_conflict(
    attempt: Callable[[], Awaitable[T]], *, clock: Clock | None = None, jitter: Jitter = system_jitter
) -> T:
    """Return what `attempt` does, tried again as long as it ends in a ConflictError; the last one is raised.

    `attempt` must read the object anew each time. A reconciler need not do this: its queue tries again by itself.
    """
    clock = clock or SystemClock()
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except ConflictError:
            await clock.sleep(PAUSE_SECONDS * (1 + JITTER * jitter()))
    return await attempt()
