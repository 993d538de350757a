"""Producers and workers in random turns: what a queue promises holds whoever runs first."""

import asyncio
import random

import pytest

from kaito.core.queue import WorkQueue, classic_queue
from kaito.testing import VirtualClock

KEYS = range(6)


class Watcher:
    """Notes when each key was asked for and worked on, in one order of events."""

    def __init__(self):
        self.moment, self.working = 0, set()
        self.asked, self.began, self.adds, self.runs = {}, {}, 0, 0

    def tick(self):
        self.moment += 1
        return self.moment

    def ask(self, key):
        self.asked[key] = self.tick()
        self.adds += 1

    def begin(self, key):
        assert key not in self.working, f"{key} is in two workers"
        self.working.add(key)
        self.began[key] = self.tick()
        self.runs += 1

    def end(self, key):
        self.working.discard(key)


async def produce(queue, watcher, dice, clock):
    for _ in range(dice.randint(1, 12)):
        key = dice.choice(KEYS)
        match dice.randrange(4):
            case 0:
                queue.add(key, after=dice.random() * 3)
            case 1:
                queue.retry(key)
            case _:
                queue.add(key, priority=dice.choice((-100, 0)))
        watcher.ask(key)
        await clock.sleep(dice.choice((0, 0, 0.3)))


async def work(queue, watcher, dice, clock):
    while (item := await queue.get()) is not None:
        watcher.begin(item.key)
        for _ in range(dice.randrange(3)):
            await clock.sleep(dice.choice((0, 0.2)))
        if dice.random() < 0.2:
            queue.add(item.key)
            watcher.ask(item.key)
        watcher.end(item.key)
        queue.done(item.key)


async def give_up(queue, watcher, turns):
    """A waiter that is cancelled must not take a key along, also if it was just about to get one."""
    getter = asyncio.create_task(queue.get())
    for _ in range(turns):
        await asyncio.sleep(0)
    getter.cancel()
    for item in await asyncio.gather(getter, return_exceptions=True):
        if not isinstance(item, asyncio.CancelledError):
            watcher.begin(item.key)
            watcher.end(item.key)
            queue.done(item.key)


async def play(seed):
    dice, clock, watcher = random.Random(seed), VirtualClock(), Watcher()
    queue = classic_queue(clock) if seed % 4 == 0 else WorkQueue(clock, ageing=dice.choice((None, 2)))
    running = asyncio.create_task(queue.run())
    leavers = [asyncio.create_task(give_up(queue, watcher, dice.randrange(9))) for _ in range(dice.randrange(3))]
    workers = [asyncio.create_task(work(queue, watcher, dice, clock)) for _ in range(dice.randint(1, 4))]
    producers = [asyncio.create_task(produce(queue, watcher, dice, clock)) for _ in range(dice.randint(1, 4))]
    await clock.advance(60)
    assert all(task.done() for task in (*producers, *leavers))
    for key, asked in watcher.asked.items():
        assert watcher.began.get(key, 0) > asked, f"{key} was not worked on after it was asked for"
    assert watcher.runs <= watcher.adds
    assert (len(queue), queue.working, watcher.working) == (0, 0, set())
    await queue.drain()
    await asyncio.gather(running, *workers)


def play_all(seeds):
    for seed in seeds:
        try:
            asyncio.run(play(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


def test_no_key_is_lost_shared_or_run_too_often_whoever_runs_first():
    play_all(range(200))


@pytest.mark.soak
def test_no_key_is_lost_shared_or_run_too_often_over_many_interleavings():
    first = random.SystemRandom().randrange(2**32)
    print(f"seeds from {first}")
    play_all(range(first, first + 5_000))
