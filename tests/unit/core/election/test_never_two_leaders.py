"""Whatever the network does, there are never two leaders; when it is well again, there is one."""

import asyncio
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaito.core import ConnectionLostError
from kaito.testing import VirtualClock

STEP = 1.0
STORM_SECONDS = 100
CALM_SECONDS = 45
DELETED_AT = 50
"""When somebody deletes the Lease by hand, in seconds."""


def storm(client, clock, dice, weather):
    """Delay and lose requests before and after the server saw them, while the weather is bad."""

    async def disturb(_verb):
        if not weather["bad"]:
            return
        chance = dice.random()
        if chance < weather["loss"]:
            raise ConnectionLostError("lost")
        if chance < weather["loss"] + weather["delay"]:
            await clock.sleep(dice.expovariate(1 / weather["seconds"]))
        elif chance < weather["loss"] + weather["delay"] + 0.02:
            await asyncio.Event().wait()

    client.fault = client.answer = disturb


async def play(make_replica, server, seed, loss, delay, seconds, delete):
    clock, dice = VirtualClock(), random.Random(seed)
    weather = {"bad": True, "loss": loss, "delay": delay, "seconds": seconds}
    replicas, born, graves = [], 0, 0

    def bear():
        nonlocal born
        one = make_replica(f"r{born}", server, clock, jitter=dice.random, skew=dice.uniform(-9, 9))
        storm(one.client, clock, dice, weather)
        replicas.append(one.start())
        born += 1

    async def pass_time(duration):
        nonlocal graves
        for _ in range(int(duration / STEP)):
            await clock.advance(STEP)
            leaders = [one.leadership.identity for one in replicas if one.leads]
            assert len(leaders) <= 1, leaders
            for one in [one for one in replicas if one.task.done()]:
                one.task.exception()
                replicas.remove(one)
                graves += 1
            if server.lease is not None:
                while graves:
                    bear()
                    graves -= 1
            if weather["bad"] and dice.random() < 0.04 and server.lease is not None:
                victim = dice.choice(replicas)
                await victim.kill()
                replicas.remove(victim)
                bear()
            if weather["bad"] and delete and clock.monotonic() == DELETED_AT and not fresh(replicas):
                server.delete()

    for _ in range(3):
        bear()
    await pass_time(STORM_SECONDS)
    weather["bad"] = False
    await pass_time(CALM_SECONDS)
    leaders = sum(one.leads for one in replicas)
    for one in replicas:
        await one.kill()
    return leaders


def fresh(replicas):
    """Say whether a replica has not seen the Lease yet: it may make one that somebody deleted by hand."""
    return any(one.leadership.current is None for one in replicas)


@settings(max_examples=40, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    loss=st.floats(0, 0.5),
    delay=st.floats(0, 0.45),
    seconds=st.floats(0.1, 12),
    delete=st.booleans(),
)
def test_there_are_never_two_leaders_and_in_the_end_there_is_one(seed, loss, delay, seconds, delete, replica_class):
    make_replica, make_server = replica_class
    assert asyncio.run(play(make_replica, make_server(), seed, loss, delay, seconds, delete)) == 1
