"""How much of a stranger's bytes is taken, and how long they are waited for."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kaito.contracts import AdapterReason
from kaito.runtime.adapters.failure import AdapterError


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes. An adapter of rank 512 for a 70B model is below 8 GiB; an image may have a system below it."""

    adapter: int = 8 << 30
    """Largest size of the two files together."""
    download: int = 16 << 30
    """Most that is fetched for one adapter."""
    unpacked: int = 32 << 30
    """Most that archives unfold to, all that is passed over too."""
    ratio: int = 200
    """How many times its packed size an archive may unfold to, beyond `free`: a bomb unfolds to a thousand times."""
    free: int = 64 << 20
    entries: int = 200_000
    """Most entries of one archive."""
    document: int = 4 << 20
    """Largest manifest, as registries have it."""


@dataclass(frozen=True)
class Patience:
    """Times in seconds. `attempts`: how often one download goes on after it broke, before the caller hears of it."""

    connect: float = 10.0
    stall: float = 30.0
    """Longest silence of a server."""
    slowest: int = 1024
    """Bytes a second that a server sends at least, over the time of a stall: who sends drop by drop stalls too."""
    document: float = 60.0
    """Longest that a manifest or a token takes, from the question to its last byte."""
    attempts: int = 4
    pause: float = 0.5
    """Before the second attempt; doubled for each further one, and jittered."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class TransientError(AdapterError):
    """Something broke on the way: worth another attempt at once, before the caller hears of it. It passes."""

    def __init__(self, reason: AdapterReason, message: str) -> None:
        super().__init__(reason, message, passes=True)


@asynccontextmanager
async def ends_within(seconds: float, what: str) -> AsyncIterator[None]:
    """End the block, which waits for `what`, after `seconds` at the latest. Raises TransientError then."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TransientError("SourceUnreachable", f"{what} did not come within {seconds:g} seconds.") from None


Progress = Callable[[int, int], None]
"""Told the bytes that have come and, as far as known, those that will (0: unknown)."""
