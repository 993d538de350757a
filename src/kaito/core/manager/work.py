"""The controllers of a manager: warmed up on every replica, at work on one, and given time to end what they are at."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from kaito.core.controller import Controller
from kaito.core.manager.groups import stopped
from kaito.core.manager.supervision import Supervision


class Work:
    """Runs controllers. At the end reconciles may finish within the grace period; those that do not are cut off."""

    def __init__(self, supervision: Supervision, context: Callable[[], contextvars.Context]) -> None:
        self._supervision = supervision
        self._context = context
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
                await self._drain()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run all controllers during the block; at its end they may finish what they are at, for a while."""
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

    def shut_down(self) -> None:
        """Begin no reconcile any more."""
        for controller in self._controllers:
            controller.shut_down()

    async def _drain(self) -> None:
        self.shut_down()
        busy = {task: task.get_name() for task in self._tasks.values() if not task.done()}
        try:
            await self._supervision.wait(busy)
            for task, name in busy.items():
                if not task.done():
                    self._supervision.is_late(name)
        finally:
            for task in busy:
                task.cancel()
            if busy:
                await asyncio.wait(busy)

    def _begin(self, group: asyncio.TaskGroup, controller: Controller) -> None:
        name = f"controller {controller.name}"
        run = self._supervision.run(name, lambda: controller.run(self._elected))
        self._tasks[controller] = group.create_task(run, name=name, context=self._context())
