"""Things that happen outside of the cluster: sent by the program itself, heard by any number of controllers."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from kaito.core.controller.sources import Started
from kaito.core.controller.surroundings import Surroundings
from kaito.core.errors import KaitoError
from kaito.core.objects import Key
from kaito.core.queue import WorkQueue

T = TypeVar("T")


class _End:
    """In a listener's queue: nothing comes any more."""


_END: Final = _End()


class Channel(Generic[T]):
    """Each listener hears everything in order, at its own pace; what is sent before the first one listens waits for it.

    A sender waits while a listener is `buffer` things behind, so that nothing is lost and nothing grows without end.
    """

    def __init__(self, buffer: int = 1024) -> None:
        self._buffer = buffer
        self._unclaimed: asyncio.Queue[T | _End] | None = asyncio.Queue(buffer)
        self._listeners = [self._unclaimed]
        self._closed = False

    async def send(self, thing: T) -> None:
        """Tell every listener. Raises KaitoError ChannelClosed."""
        if self._closed:
            raise KaitoError("ChannelClosed", "something was sent to a channel that is closed", terminal=True)
        for listener in tuple(self._listeners):
            await listener.put(thing)

    async def close(self) -> None:
        """End every listener, once it has heard what was sent."""
        self._closed = True
        for listener in tuple(self._listeners):
            await listener.put(_END)

    async def listen(self) -> AsyncGenerator[T, None]:
        """Yield what is sent, until the channel is closed."""
        queue, self._unclaimed = self._unclaimed, None
        if queue is None:
            queue = asyncio.Queue(self._buffer)
            self._listeners.append(queue)
        try:
            while not self._closed or not queue.empty():
                thing = await queue.get()
                if isinstance(thing, _End):
                    return
                yield thing
        finally:
            self._listeners.remove(queue)
            while not queue.empty():
                queue.get_nowait()  # lets go a sender that waits for this listener


@dataclass(frozen=True)
class ChannelSource(Generic[T]):
    """The keys that `to` makes of each thing that comes through a channel. `to` may be a coroutine function."""

    channel: Channel[T]
    to: Callable[[T], Iterable[Key] | Awaitable[Iterable[Key]]]
    name: str = "channel"

    async def feed(self, queue: WorkQueue[Key], _around: Surroundings, started: Started) -> None:
        """Put in the keys of what was sent already, and of what comes, until the channel is closed."""
        started()
        async with aclosing(self.channel.listen()) as things:
            async for thing in things:
                keys = self.to(thing)
                for key in await keys if isinstance(keys, Awaitable) else keys:
                    queue.add(key)
