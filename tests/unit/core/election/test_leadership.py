"""Replicas that elect a leader, on virtual time, among faults."""

import asyncio
from datetime import timedelta

import pytest

from kaito.core import ConnectionLostError, KaitoError
from kaito.core.election import new_identity


async def test_one_of_two_leads(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(60)
    assert (one.leads, two.leads) == (True, False)


async def test_a_leader_renews_with_single_writes_and_a_candidate_asks_nothing(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(10)
    one.client.requests.clear()
    two.client.requests.clear()
    await clock.advance(60)
    assert set(one.client.requests) == {"update"}
    assert 29 <= len(one.client.requests) <= 31
    assert two.client.requests == []
    assert two.client.watches == 1


async def test_a_released_lease_is_taken_at_once(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(5)
    await one.stop()
    await clock.settle()
    assert two.leads
    assert two.leadership.current["spec"]["leaseTransitions"] == 1


async def test_a_killed_leader_is_succeeded_when_its_lease_expires(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(5)
    await one.kill()
    await clock.advance(12)
    assert not two.leads
    await clock.advance(4)
    assert two.leads


@pytest.mark.parametrize(("watch", "seconds"), [("works", 15 + 2), ("fails", 15 + 8.8), ("is silent", 15 + 5 + 2)])
@pytest.mark.parametrize("after", [5.0, 5.9, 6.1])
async def test_a_leader_that_dies_is_succeeded_in_time_however_its_watch_is(replica, clock, watch, seconds, after):
    async def disturb(verb):
        if verb != "watch" or watch == "works":
            return
        if watch == "fails":
            raise ConnectionLostError("no watch")
        await asyncio.Event().wait()

    one, two = replica("one"), replica("two", jitter=lambda: 0.999)
    two.client.fault = disturb
    await clock.advance(after)
    await one.kill()
    died = clock.monotonic()
    while not two.leads:
        await clock.advance(0.1)
    assert clock.monotonic() - died <= seconds


async def test_a_leader_whose_renewal_alone_was_refused_reads_the_lease_once(replica, clock, server):
    one = replica("one")
    await clock.advance(5)
    lease = server.read()
    lease["metadata"]["labels"] = {"edited": "by-hand"}
    server.write(lease, create=False)
    one.client.requests.clear()
    await clock.advance(4)
    assert one.client.requests == ["update", "get", "update", "update"]
    assert len(one.slow_paths) == 1
    assert server.lease["metadata"]["labels"] == {"edited": "by-hand"}


async def test_a_leader_that_is_cut_off_stops_before_another_begins(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(5)
    one.client.cut_off = True
    await clock.advance(9.5)
    assert one.task.done()
    assert "LeadershipLost" in str(one.task.exception())
    assert not two.leads
    await clock.advance(6)
    assert two.leads


async def test_a_write_that_hangs_does_not_keep_a_leader_in_its_place(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(5)
    one.client.fault = lambda verb: asyncio.Event().wait()
    await clock.advance(10)
    assert not one.leads
    assert isinstance(one.task.exception(), KaitoError)
    await clock.advance(6)
    assert two.leads


async def test_a_leader_that_could_not_renew_for_a_while_goes_on(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(5)
    one.client.cut_off = True
    await clock.advance(6)
    one.client.cut_off = False
    await clock.advance(30)
    assert (one.leads, two.leads) == (True, False)


async def test_wall_clocks_an_hour_apart_make_no_difference(replica, clock):
    one, two = replica("one", skew=-1.0), replica("two", skew=1.0)
    await clock.advance(60)
    assert (one.leads, two.leads) == (True, False)


async def test_a_deleted_lease_makes_no_second_leader(replica, clock, server):
    one, two = replica("one"), replica("two")
    await clock.advance(5)
    server.delete()
    await clock.settle()
    assert (one.leads, two.leads) == (True, False)
    await clock.advance(30)
    assert (one.leads, two.leads) == (True, False)


@pytest.mark.parametrize(("reaches_the_server", "seconds"), [(True, 2), (False, 10)])
async def test_who_never_saw_a_deleted_lease_leads_beside_its_holder_until_that_renews(
    replica, clock, server, reaches_the_server, seconds
):
    """As with client-go; the guarantees say so."""
    holder = replica("holder")
    await clock.advance(5)
    await clock.advance(1)
    holder.client.cut_off = not reaches_the_server
    server.delete()
    fresh = replica("fresh")
    await clock.settle()
    assert (holder.leads, fresh.leads) == (True, True)
    await clock.advance(seconds)
    assert (holder.leads, fresh.leads) == (False, True)


async def test_a_lease_that_is_deleted_again_and_again_makes_no_second_leader(replica, clock, server):
    """Whatever the moments are: each deletion is seen, and so is each new Lease."""
    for pause in (0.5, 3, 7, 11, 13.75, 14.5, 14.75, 15.5):
        one, two = replica("one"), replica("two")
        await clock.advance(5)
        for _ in range(4):
            server.delete()
            for _ in range(int(pause * 4)):
                await clock.advance(0.25)
                assert not (one.leads and two.leads)
        await clock.advance(30)
        assert [one.leads, two.leads].count(True) == 1
        await one.stop()
        await two.stop()


async def test_wall_clocks_that_jump_an_hour_either_way_change_nothing(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(5)
    for hours in (1, -1):
        for each in (one, two):
            each.clock.skew += timedelta(hours=hours)
            await clock.advance(40)
            assert (one.leads, two.leads) == (True, False)
    assert (one.slow_paths, two.client.requests) == ([], ["get"])


async def test_a_lease_that_somebody_gave_to_another_ends_the_lead(replica, clock, server):
    one = replica("one")
    await clock.advance(5)
    lease = server.read()
    lease["spec"]["holderIdentity"] = "two"
    server.write(lease, create=False)
    await clock.advance(2.1)
    assert not one.leads
    assert "two holds it" in str(one.task.exception())


async def test_an_answer_that_never_came_costs_one_more_try(replica, clock):
    one = replica("one")
    answers = 0

    async def lose_the_first_write(verb):
        nonlocal answers
        answers += verb == "create"
        if verb == "create" and answers == 1:
            await asyncio.Event().wait()

    one.client.answer = lose_the_first_write
    await clock.advance(5)
    assert not one.leads
    await clock.advance(5)
    assert one.leads


async def test_releasing_waits_for_nobody_and_never_raises(replica, clock, server):
    one = replica("one")
    await clock.advance(5)
    await one.kill()
    one.client.cut_off = True
    await one.leadership.release()
    assert server.read()["spec"]["holderIdentity"] == "one"


async def test_a_candidate_that_never_led_leaves_the_lease_alone(replica, clock, server):
    replica("one")
    await clock.advance(2)
    two = replica("two")
    await clock.advance(5)
    await two.stop()
    assert "update" not in two.client.requests
    assert server.read()["spec"]["holderIdentity"] == "one"


async def test_a_replica_that_froze_does_not_think_that_it_leads(replica, clock):
    one = replica("one")
    await clock.advance(5)
    clock._elapsed += 20  # its tasks had no turn meanwhile
    assert not one.leads


async def test_a_leader_long_past_its_lease_is_unhealthy(replica, clock):
    one, two = replica("one"), replica("two")
    await clock.advance(5)
    clock._elapsed += 20
    assert one.leadership.unhealthy() == ""
    clock._elapsed += 20
    assert "not renewed" in one.leadership.unhealthy()
    assert two.leadership.unhealthy() == ""


async def test_a_watch_that_fails_is_no_obstacle(replica, clock):
    one, two = replica("one"), replica("two")

    async def no_watch(verb):
        if verb == "watch":
            raise KaitoError("Forbidden", "no watch")

    two.client.fault = no_watch
    await clock.advance(5)
    await one.kill()
    await clock.advance(20)
    assert two.leads


async def test_a_watch_that_ends_at_once_each_time_is_asked_for_a_few_times_a_minute(replica, clock):
    replica("one")
    await clock.advance(5)
    two = replica("two", jitter=lambda: 0.0)

    async def watch(*_arguments, **_options):
        two.client.watches += 1
        return
        yield

    two.client.watch = watch
    await clock.advance(60)
    assert 20 <= two.client.watches <= 31
    assert len(two.client.requests) <= 31


def test_no_two_processes_have_one_identity():
    assert new_identity() != new_identity()


@pytest.mark.parametrize("count", [3, 5])
async def test_of_many_one_leads_after_each_release(replica, clock, count):
    replicas = [replica(f"r{number}", jitter=lambda n=number: n / count) for number in range(count)]
    await clock.advance(5)
    for left in range(count, 1, -1):
        leaders = [one for one in replicas if one.leads]
        assert len(leaders) == 1
        await leaders[0].stop()
        replicas.remove(leaders[0])
        await clock.advance(5)
        assert left
    assert replicas[0].leads
