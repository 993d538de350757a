"""One handler of an informer: told of every change in order, at its own pace, until it is removed."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from kaito.core.cache.entry import CacheEntry, Event
from kaito.core.cache.slices import SLICE, in_slices
from kaito.core.logs import get_logger
from kaito.core.objects import Kind

log = get_logger()

Handler = Callable[[Event], None] | Callable[[Event], Awaitable[None]]
"""Hears of changes. One that raises loses that event and disturbs nobody else.

A plain function is called as soon as the store has changed, and holds everything up while it runs: it should do no more
than put a key into a queue. A coroutine function has a queue and a task of its own, and may take its time.
"""


class Subscription:
    """A handler's place among those of an informer. It hears of each object that is there first, marked initial.

    `synced` is set once the informer has its first list and the handler has heard all of it.
    """

    def __init__(self, kind: Kind[Any], handler: Handler, leave: Callable[["Subscription"], None]) -> None:
        self.synced = asyncio.Event()
        self._kind = kind
        self._handler = handler
        self._leave = leave
        self._present: list[CacheEntry[Any]] = []
        self._queue: deque[Event | None] = deque()
        self._arrived = asyncio.Event()
        self._is_direct = not _is_coroutine_function(handler)
        self._is_removed = False
        self._tasks: list[asyncio.Task[None]] = []

    def remove(self) -> None:
        """Call the handler no more. A call of a coroutine function that is under way is cancelled."""
        if self._is_removed:
            return
        self._is_removed = True
        self._leave(self)
        self._present, self._queue = [], deque()
        for task in self._tasks:
            task.cancel()

    async def removed(self) -> None:
        """Remove it, and return once no call of the handler is under way."""
        self.remove()
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        if others:
            await asyncio.wait(others)

    def begin(self, present: list[CacheEntry[Any]]) -> None:
        """Tell of what is there: at once if that is little and the handler plain, else by and by."""
        if self._is_direct and len(present) <= SLICE:
            for entry in present:
                self._call(self._initial(entry))
        else:
            self._is_direct = False
            self._present = present

    def deliver(self, event: Event) -> None:
        """Tell of a change, behind what was told before."""
        if self._is_direct:
            self._call(event.of(self._kind))
        else:
            self._put(event.of(self._kind))

    def informer_synced(self) -> None:
        """Note that nothing of the informer's first list is still to come."""
        if self._is_direct:
            self.synced.set()
        else:
            self._put(_SYNCED)

    def start(self, group: asyncio.TaskGroup, *more: Coroutine[Any, Any, None]) -> None:
        """Run what has to wait, and `more`, until the subscription is removed."""
        name = f"handler of {self._kind}"
        if not self._is_direct:
            self._tasks.append(group.create_task(self._work(), name=name))
        self._tasks += [group.create_task(one, name=name) for one in more]

    async def _work(self) -> None:
        """Tell of what waits: a plain function of what was there when it joined late, a coroutine function of all."""
        is_coroutine = _is_coroutine_function(self._handler)
        present, self._present = self._present, []
        async for entry in in_slices(present):
            await self._await_or_call(self._initial(entry))
        present.clear()
        while is_coroutine or self._queue:
            while self._queue:
                event = self._queue.popleft()
                if event is _SYNCED:
                    self.synced.set()
                else:
                    await self._await_or_call(event)
            self._arrived.clear()
            if is_coroutine:
                await self._arrived.wait()
        self._is_direct = True

    def _put(self, event: Event | None) -> None:
        self._queue.append(event)
        self._arrived.set()

    def _initial(self, entry: CacheEntry[Any]) -> Event:
        return Event(self._kind, "ADDED", entry.key, None, entry.of(self._kind), initial=True)

    def _call(self, event: Event) -> None:
        try:
            if not self._is_removed:
                self._handler(event)
        except Exception:
            log.exception("a handler failed", kind=str(event.kind), key=str(event.key), type=event.type)

    async def _await_or_call(self, event: Event) -> None:
        try:
            if not self._is_removed and (awaitable := self._handler(event)) is not None:
                await awaitable
        except Exception:
            log.exception("a handler failed", kind=str(event.kind), key=str(event.key), type=event.type)


_SYNCED: Final = None
"""In a queue: what comes after it was no part of the first list."""


def _is_coroutine_function(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004
