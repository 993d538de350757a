"""The controllers of a manager: warmed up on every replica, at work on one, and given time to end what they are at."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from kaito.core.clock import Clock, deadline
from kaito.core.controller import Controller
from kaito.core.errors import KaitoError
from kaito.core.logs import get_logger
from kaito.core.manager.groups import Failures, stopped

log = get_logger()


class Work:
    """Runs controllers. `grace` seconds reconciles may take to end: 0 waits for none, a negative number for ever.

    `deposed` says that this replica led and leads no more: nothing is waited for then.
    """

    def __init__(
        self,
        clock: Clock,
        grace: float,
        failures: Failures,
        context: Callable[[], contextvars.Context],
        deposed: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._grace = grace
        self._failures = failures
        self._context = context
        self._deposed = deposed
        self._controllers: list[Controller] = []
        self._tasks: dict[Controller, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._elected = asyncio.Event()
        self._ended = False

    def add(self, controller: Controller) -> None:
        """Run a controller, at once if the others do. Raises KaitoError ManagerStopped."""
        if self._ended:
            raise stopped(f"controller {controller.name} cannot begin any more")
        self._controllers.append(controller)
        if self._group is not None:
            self._begin(self._group, controller)

    @asynccontextmanager
    async def warming_up(self) -> AsyncIterator[None]:
        """Let controllers that warm up gather their keys during the block; they work once this replica leads."""
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                if controller.warm_up:
                    self._begin(group, controller)
            try:
                yield
            finally:
                self._ended = True
                for controller in self._tasks:
                    controller.shut_down()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run all controllers during the block; at its end they may finish what they are at, for a while.

        Raises KaitoError GraceExceeded, in a group, for those that took longer: they have been cut off.
        """
        async with asyncio.TaskGroup() as group:
            for controller in self._controllers:
                if controller not in self._tasks:
                    self._begin(group, controller)
            self._elected.set()
            self._group = group
            try:
                yield
            finally:
                self._ended, self._group = True, None
                await self._drain()

    async def _drain(self) -> None:
        for controller in self._controllers:
            controller.shut_down()
        busy = {controller.name: task for controller, task in self._tasks.items() if not task.done()}
        try:
            if busy and self._grace and not self._deposed():
                async with deadline(self._clock, self._grace if self._grace > 0 else None):
                    await asyncio.wait(busy.values())
        except TimeoutError as error:
            slow = ", ".join(name for name, task in busy.items() if not task.done())
            log.error("reconciles were cut off after the grace period", controllers=slow, seconds=self._grace)
            raise KaitoError(
                "GraceExceeded",
                f"reconciles of {slow} did not end within {self._grace:g} s and were cut off",
                remedy="Let them end sooner, or give the manager a longer grace period.",
            ) from error
        finally:
            for task in busy.values():
                task.cancel()

    def _begin(self, group: asyncio.TaskGroup, controller: Controller) -> None:
        run = self._failures.noting(controller.run(self._elected))
        self._tasks[controller] = group.create_task(run, name=f"controller {controller.name}", context=self._context())
