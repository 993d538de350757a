"""Long work in short pieces, so that leases are renewed and probes answered while it lasts."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

SLICE: Final = 500
"""Objects that are taken in, compared or told of before other tasks get their turn: some 5 ms."""


async def in_slices(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """Yield the items, letting other tasks run after each slice."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)
