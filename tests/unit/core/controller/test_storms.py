"""Random changes meet a reconciler that fails in every way: each key ends up reconciled, and nothing spins."""

import asyncio
import itertools
import random

import pytest

from kaito.core import DONE, Controller, KaitoError, Key, Result

NAMES = "abcdef"
STORM_SECONDS, CALM_SECONDS = 30.0, 300.0
RUNS_A_SECOND = 40
"""Six keys that change twice in three seconds each, and their retries."""


class Moody:
    """Answers by chance until it is told to be calm, and keeps count."""

    def __init__(self, clock, dice):
        self.clock, self.dice, self.calm = clock, dice, False
        self.began, self.working, self.runs = {}, set(), 0
        self.order = itertools.count()

    async def reconcile(self, key):
        assert key not in self.working
        self.working.add(key)
        self.began[key] = next(self.order)
        self.runs += 1
        try:
            return DONE if self.calm else await self.trouble()
        finally:
            self.working.discard(key)

    async def trouble(self):
        match self.dice.randrange(9):
            case 0:
                raise ZeroDivisionError("bug")
            case 1:
                raise KaitoError("R", "m", terminal=self.dice.random() < 0.3)
            case 2:
                raise KaitoError("R", "m", retry_after=self.dice.random())
            case 3:
                await asyncio.Event().wait()
            case 4:
                raise asyncio.CancelledError
            case 5:
                await self.clock.sleep(self.dice.random())
                return Result(requeue_after=self.dice.random(), priority=self.dice.choice((None, 3)))
            case 6:
                return Result(requeue=True)
            case 7:
                await self.clock.sleep(self.dice.random() * 3)
        return DONE


async def play(seed, surroundings, cache, clock, thing):
    dice = random.Random(seed)
    moody = Moody(clock, dice)
    made = Controller("c", moody, workers=dice.randint(1, 3), timeout=1).watching(thing)
    made.bind(surroundings)
    running = asyncio.create_task(made.run())
    cache.synced.set()
    await clock.settle()
    changed = {}
    while clock.monotonic() < STORM_SECONDS:
        name = dice.choice(NAMES)
        changed[Key("ns", name)] = next(moody.order)
        cache.emit(name)
        await clock.advance(dice.random() * 2)
    moody.calm = True
    await clock.advance(CALM_SECONDS)
    assert not running.done()
    for key, moment in changed.items():
        assert moody.began[key] > moment, f"{key} was not reconciled after it had changed"
    assert moody.runs < RUNS_A_SECOND * STORM_SECONDS
    assert (moody.working, made._queue.working, len(made._queue)) == (set(), 0, 0)
    made.shut_down()
    await running


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_goes_wrong_each_change_is_followed_by_a_reconcile_and_nothing_spins(
    seed, surroundings, cache, clock, thing
):
    await play(seed, surroundings, cache, clock, thing)


@pytest.mark.soak
@pytest.mark.parametrize("offset", range(100))
async def test_whatever_goes_wrong_over_many_storms(offset, surroundings, cache, clock, thing):
    seed = random.SystemRandom().randrange(2**32) + offset
    print(f"seed {seed}")
    await play(seed, surroundings, cache, clock, thing)
