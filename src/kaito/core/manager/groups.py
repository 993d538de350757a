"""Functions that run together, from the moment that their group does until it ends."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from kaito.core.errors import KaitoError
from kaito.core.manager.supervision import Supervision

Runnable = Callable[[], Coroutine[Any, Any, None]]
Ready = Callable[[], Coroutine[Any, Any, None]]
"""Returns once what it belongs to has begun its work."""


class RunnableGroup:
    """Runs what is added before and while it is `running`; its end cancels them all and waits for them.

    What ends by itself, or cancelled, is no failure; what raises ends the group, and is raised by it. `context` makes
    the context of each task.
    """

    def __init__(
        self,
        name: str,
        supervision: Supervision,
        context: Callable[[], contextvars.Context] = contextvars.copy_context,
    ) -> None:
        self.name = name
        self._supervision = supervision
        self._context = context
        self._runs: list[Runnable] = []
        self._ready: list[Ready] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._group: asyncio.TaskGroup | None = None
        self._ended = False

    def add(self, run: Runnable, ready: Ready | None = None) -> None:
        """Run `run()`, at once if the group does. Raises KaitoError ManagerStopped when it has ended."""
        if self._ended:
            raise stopped(f"{self.name} take nothing any more")
        self._runs.append(run)
        if ready is not None:
            self._ready.append(ready)
        if self._group is not None:
            self._begin(self._group, run)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run them during the block."""
        async with asyncio.TaskGroup() as group:
            for run in self._runs:
                self._begin(group, run)
            self._group = group
            try:
                yield
            finally:
                self._ended, self._group = True, None
                for task in self._tasks:
                    task.cancel()

    async def wait_until_ready(self) -> None:
        """Return once all that were added with a `ready` are."""
        for ready in self._ready:
            await ready()

    def _begin(self, group: asyncio.TaskGroup, run: Runnable) -> None:
        name = f"{getattr(run, '__qualname__', type(run).__qualname__)} of the {self.name}"
        self._tasks.append(group.create_task(self._supervision.run(name, run), name=name, context=self._context()))


def stopped(what: str) -> KaitoError:
    """Return the error of who is too late."""
    return KaitoError("ManagerStopped", f"the manager has been stopped: {what}", terminal=True)
