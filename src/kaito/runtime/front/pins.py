"""Which adapters the requests in flight were handed: one that is replaced leaves the engine after the last of them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_scope: ContextVar[set[int] | None] = ContextVar("kaito_pinned_adapters", default=None)


class Pins:
    """Counts the requests that hold an adapter, by the engine's number of it. For one event loop.

    A request holds what it was handed from the moment of the look-up, which is before the engine knows of it, until
    its answer has ended. Tasks that a request starts count as the request: they inherit its context.
    """

    def __init__(self) -> None:
        self._held: Counter[int] = Counter()
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}

    @contextmanager
    def request(self) -> Iterator[None]:
        """Enter for each request; what it was handed is let go at the end."""
        held: set[int] = set()
        token = _scope.set(held)
        try:
            yield
        finally:
            _scope.reset(token)
            for number in held:
                self._let_go(number)

    def hold(self, number: int) -> None:
        """Note that the running request was handed this adapter. Outside a request nothing is noted."""
        held = _scope.get()
        if held is not None and number not in held:
            held.add(number)
            self._held[number] += 1

    def count(self, number: int) -> int:
        """Return how many requests hold an adapter."""
        return self._held[number]

    async def until_free(self, number: int) -> None:
        """Return when no request holds the adapter."""
        while self._held[number]:
            freed = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(number, []).append(freed)
            await freed

    def _let_go(self, number: int) -> None:
        self._held[number] -= 1
        if self._held[number]:
            return
        del self._held[number]
        for freed in self._waiting.pop(number, ()):
            if not freed.done():
                freed.set_result(None)
