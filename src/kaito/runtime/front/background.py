"""A thread with an event loop of its own: it answers while the serving thread imports, loads or computes."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines in one thread beside the serving one. `stop` cancels what still runs and ends the thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], *, limit: float | None = None) -> T:
        """Run a coroutine there and return its result. Raises what it raises; TimeoutError after `limit` seconds."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit)

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and return its result to a coroutine of another loop. Raises what it raises."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Start a coroutine there."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """End every task and the thread."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(TimeoutError):
            self.call(_cancel_all(), limit=2.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2.0)
        if not self._thread.is_alive():
            self._loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
