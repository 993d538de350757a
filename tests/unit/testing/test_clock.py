"""The virtual clock wakes sleepers in order and lets them run."""

import asyncio

from kaito.testing import VirtualClock


async def test_sleepers_wake_in_order_at_their_own_time():
    clock, woken = VirtualClock(), []

    async def sleeper(name, *pauses):
        for pause in pauses:
            await clock.sleep(pause)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper("a", 2, 2)), asyncio.create_task(sleeper("b", 3))]
    await clock.advance(10)
    assert woken == [("a", 2), ("b", 3), ("a", 4)]
    assert clock.monotonic() == 10
    await asyncio.gather(*tasks)


async def test_time_stands_still_without_the_test():
    clock = VirtualClock()
    before = clock.now()
    await clock.settle()
    assert clock.now() == before


async def test_a_cancelled_sleeper_is_forgotten():
    clock = VirtualClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.settle()
    assert clock.next_wake == 5
    task.cancel()
    await clock.settle()
    assert clock.sleeping == 0
    assert clock.next_wake is None
    await clock.advance(10)
