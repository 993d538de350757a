"""Bad luck, planned: what goes wrong at the N-th thing that a process writes or hears, and what it hears then.

An operator that holds for every N holds whenever it is killed: `FaultyTransport` counts the writes of one process (a
cloud's calls can be counted with them by `Luck.write`) and the events of its watches.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from kaito.core.client.transport import Parameters, Transport
from kaito.core.errors import ConnectionLostError, KaitoError, Status, api_error

T = TypeVar("T")


class Misfortune(StrEnum):
    """What goes wrong. The first three end the process; the last two are of a watch, all others of a write.

    What a `Trouble` of a server has as well has its name.
    """

    KILLED_BEFORE = "killed before the write"
    KILLED_UNANSWERED = "killed after the write took effect, before its answer"
    KILLED_AFTER = "killed after the answer"
    CONFLICT = "answered 409"
    TOO_MANY = "answered 429"
    BROKEN = "answered 500"
    DROP = "connection lost before the write"
    LOST_ANSWER = "connection lost after the write took effect"
    LAGGING = "connection lost after the write took effect, and watches fall behind"
    CUT = "watch cut off instead of an event"
    EXPIRED = "watch expired instead of an event"


KILLS = (Misfortune.KILLED_BEFORE, Misfortune.KILLED_UNANSWERED, Misfortune.KILLED_AFTER)
REFUSALS = (
    Misfortune.CONFLICT,
    Misfortune.TOO_MANY,
    Misfortune.BROKEN,
    Misfortune.DROP,
    Misfortune.LOST_ANSWER,
    Misfortune.LAGGING,
)
CUTS = (Misfortune.CUT, Misfortune.EXPIRED)


def _answer(misfortune: Misfortune) -> KaitoError:
    """Return what the writer hears."""
    match misfortune:
        case Misfortune.CONFLICT:
            return api_error(Status(409, "Conflict", "the object has been modified"))
        case Misfortune.TOO_MANY:
            return api_error(Status(429, "TooManyRequests", "too many requests"), retry_after=1.0)
        case Misfortune.BROKEN:
            return api_error(Status(500, "InternalError", "etcdserver: request timed out"))
        case _:
            return ConnectionLostError("connection reset by peer")


@dataclass(frozen=True)
class Fault:
    """A misfortune at the `at`-th write or event, counted from 1."""

    misfortune: Misfortune
    at: int

    def __str__(self) -> str:
        what = "event" if self.misfortune in CUTS else "write"
        return f"{self.misfortune} ({what} {self.at})"


LAG_SECONDS: Final = 20.0
"""How far watches fall behind: longer than a controller waits to see its own writes."""


class Luck:
    """The luck of one process: counts, and does what is planned. Once it is killed, nothing of it gets through."""

    def __init__(self, plan: Iterable[Fault] = ()) -> None:
        self.killed = asyncio.Event()
        self._behind_until = 0.0
        self.plan(plan)

    def plan(self, faults: Iterable[Fault]) -> None:
        """Count from here on, with these faults to come."""
        self._on_write: dict[int, Misfortune] = {}
        self._on_event: dict[int, Misfortune] = {}
        for fault in faults:
            (self._on_event if fault.misfortune in CUTS else self._on_write)[fault.at] = fault.misfortune
        self.struck = 0
        self.writes: list[str] = []
        self.events = 0

    async def write(self, what: str, send: Callable[[], Awaitable[T]]) -> T:
        """Send, unless luck has it otherwise. Raises what the planned answer is."""
        await self.alive()
        self.writes.append(what)
        misfortune = self._on_write.get(len(self.writes))
        if misfortune is None:
            return await self._answered(send)
        self.struck += 1
        if misfortune is Misfortune.KILLED_BEFORE:
            self.killed.set()
        elif misfortune in (Misfortune.KILLED_UNANSWERED, Misfortune.LOST_ANSWER):
            await send()
        elif misfortune is Misfortune.LAGGING:
            self._behind_until = asyncio.get_running_loop().time() + LAG_SECONDS
            await send()
        elif misfortune is Misfortune.KILLED_AFTER:
            answer = await self._answered(send)
            self.killed.set()
            return answer
        if misfortune is Misfortune.KILLED_UNANSWERED:
            self.killed.set()
        await self.alive()
        raise _answer(misfortune)

    async def heard(self) -> None:
        """Count an event of a watch before it is handed on. Raises what cuts the watch off."""
        await asyncio.sleep(self._behind_until - asyncio.get_running_loop().time())
        await self.alive()
        self.events += 1
        misfortune = self._on_event.get(self.events)
        if misfortune is None:
            return
        self.struck += 1
        if misfortune is Misfortune.EXPIRED:
            raise api_error(Status(410, "Expired", "too old resource version"))
        raise ConnectionLostError("connection reset by peer")

    async def alive(self) -> None:
        """Return at once, or never when the process is killed."""
        if self.killed.is_set():
            await asyncio.get_running_loop().create_future()

    async def _answered(self, send: Callable[[], Awaitable[T]]) -> T:
        answer = await send()
        await self.alive()
        return answer


class FaultyTransport(Transport):
    """The way of one process to its server, with its luck."""

    def __init__(self, luck: Luck, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._luck = luck

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send a request; one that writes is counted."""

        async def send() -> bytes:
            return await super(FaultyTransport, self).request(method, path, params=params, body=body, headers=headers)

        if method == "GET":
            await self._luck.alive()
            return await send()
        return await self._luck.write(f"{method} {path}", send)

    @asynccontextmanager
    async def stream(
        self, path: str, params: Parameters, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """Open a watch; each of its events is counted."""
        await self._luck.alive()
        async with super().stream(path, params, headers) as chunks:
            yield self._lucky(chunks) if "watch" in params else chunks

    async def _lucky(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            if not chunk.startswith(b'{"type":"BOOKMARK"'):
                await self._luck.heard()
            yield chunk
