"""Virtual time: what would take hours takes moments, in the right order."""

import asyncio
import time

import pytest

from kaito.testing import LoopClock, run


def test_a_day_passes_in_a_moment_and_sleepers_wake_in_order() -> None:
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await LoopClock().sleep(seconds)
        woken.append((name, LoopClock().monotonic()))

    async def main() -> None:
        await asyncio.gather(sleeper("day", 86_400), sleeper("hour", 3_600), sleeper("minute", 60))

    started = time.monotonic()
    run(main())
    assert woken == [("minute", 60), ("hour", 3_600), ("day", 86_400)]
    assert time.monotonic() - started < 5


def test_timeouts_of_asyncio_are_virtual() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await asyncio.Event().wait()
        return LoopClock().monotonic()

    assert run(main(), elapsed=50) == 150


def test_waiting_for_what_nobody_brings_is_an_error_and_no_hang() -> None:
    with pytest.raises(RuntimeError, match="for ever"):
        run(asyncio.Event().wait())
