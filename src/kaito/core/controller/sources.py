"""Where the keys of a controller come from: coroutines that put keys into its queue."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kaito.core.cache import Cache, Event
from kaito.core.controller.handlers import Mapping
from kaito.core.controller.predicates import Predicate
from kaito.core.controller.surroundings import Surroundings
from kaito.core.objects import Key, Kind
from kaito.core.queue import WorkQueue

LOW_PRIORITY: Final = -100
"""Objects that were there at the start, or have not changed, wait behind what changes now; from controller-runtime."""

Started = Callable[[], None]
"""To be called when all that was there at the beginning is in the queue. Returning does it as well."""


class Source(Protocol):
    """Puts keys into a controller's queue."""

    @property
    def name(self) -> str:
        """What it is called in errors and logs."""
        ...

    async def feed(self, queue: WorkQueue[Key], around: Surroundings, started: Started) -> None:
        """Put keys into `queue` until cancelled; may end before. Nothing is reconciled before `started` is called."""
        ...


def priority_of(event: Event) -> int:
    """Return how urgent a change is: that of an initial list, or one that changed nothing, is not."""
    old, new = event.old, event.new
    if event.initial or (
        old is not None and new is not None and old.metadata.resource_version == new.metadata.resource_version
    ):
        return LOW_PRIORITY
    return 0


@dataclass(frozen=True)
class KindSource:
    """The changes of one kind in a cache (None: the manager's own), those that matter, and what they mean.

    It has started once the kind was listed. If the server does not serve the kind yet, that is when it does.
    """

    kind: Kind[Any]
    mapping: Mapping
    predicate: Predicate | None = None
    cache: Cache | None = None

    @property
    def name(self) -> str:
        """The kind."""
        return str(self.kind)

    async def feed(self, queue: WorkQueue[Key], around: Surroundings, started: Started) -> None:
        """Put in the keys of what is there, and of all changes."""
        mapping, predicate, add = self.mapping, self.predicate, queue.add

        def receive(event: Event) -> None:
            if predicate is None or predicate(event):
                priority = priority_of(event)
                for key in mapping(event):
                    add(key, priority=priority)

        subscription = (self.cache or around.cache).subscribe(self.kind, receive)
        try:
            await subscription.synced.wait()
            started()
            await asyncio.Event().wait()
        finally:
            subscription.remove()


@dataclass(frozen=True)
class FuncSource:
    """A coroutine function as a source: `feed(queue, around, started)`."""

    name: str
    feed: Callable[[WorkQueue[Key], Surroundings, Started], Coroutine[Any, Any, None]]
