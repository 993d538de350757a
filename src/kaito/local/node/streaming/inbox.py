"""Bytes that wait for their reader."""

import asyncio
from collections import deque

LIMIT = 4 << 20
"""Bytes that may wait before their sender is held up."""


class Inbox:
    """What came on one channel of a connection, until it is read. Who fills it waits while it is full."""

    def __init__(self) -> None:
        self.ended = False
        self._discarding = False
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def read(self) -> bytes:
        """Return what has come, empty when no more will."""
        while not self._parts and not self.ended:
            self._changed.clear()
            await self._changed.wait()
        if not self._parts:
            return b""
        part = self._parts.popleft()
        self._size -= len(part)
        if self._size < LIMIT:
            self._room.set()
        return part

    async def take(self, data: bytes) -> None:
        """Add data; returns when there is room for more."""
        if not data or self.ended or self._discarding:
            return
        self._parts.append(data)
        self._size += len(data)
        self._changed.set()
        if self._size >= LIMIT:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """No more will come."""
        self.ended = True
        self._changed.set()
        self._room.set()

    def discard(self) -> None:
        """Nobody reads any more: drop what is there and what comes, so that nobody is held up."""
        self._discarding = True
        self._parts.clear()
        self._size = 0
        self._room.set()
