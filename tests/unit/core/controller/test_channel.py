"""Things from outside of the cluster reach every listener, and none is lost."""

import asyncio

import pytest

from kaito.core import Event, KaitoError, Key
from kaito.core.cache.entry import read_entry
from kaito.core.controller import Channel, ChannelSource, itself
from kaito.core.queue import WorkQueue


def key(number):
    return Key("ns", str(number))


@pytest.fixture
def listen(clock):
    """Start a source of a channel; returns its task and its queue."""

    def start(channel, to=lambda number: [key(number)]):
        queue = WorkQueue(clock)
        return asyncio.create_task(ChannelSource(channel, to).feed(queue, None, lambda: None)), queue

    return start


async def waiting(queue):
    """The keys in the queue, which is emptied."""
    return [(await queue.get()).key for _ in range(len(queue))]


async def test_what_is_sent_before_anybody_listens_is_kept(listen, clock):
    channel = Channel()
    await channel.send(1)
    await channel.send(2)
    task, queue = listen(channel)
    await clock.settle()
    assert await waiting(queue) == [key(1), key(2)]
    await channel.close()
    await task


async def test_everybody_hears_everything(listen, clock):
    channel = Channel()
    listeners = [listen(channel) for _ in range(3)]
    await clock.settle()
    await channel.send(1)
    await channel.send(2)
    await channel.close()
    await asyncio.gather(*(task for task, _ in listeners))
    for _, queue in listeners:
        assert await waiting(queue) == [key(1), key(2)]


async def test_a_listener_that_is_held_up_loses_nothing_and_holds_up_nobody(listen, clock):
    channel, go = Channel(), asyncio.Event()

    async def slow(number):
        await go.wait()
        return [key(number)]

    (late, late_queue), (prompt, prompt_queue) = listen(channel, slow), listen(channel)
    await clock.settle()
    for number in range(5):
        await channel.send(number)
    await clock.settle()
    assert (len(late_queue), len(prompt_queue)) == (0, 5)
    go.set()
    await channel.close()
    await asyncio.gather(late, prompt)
    assert await waiting(late_queue) == [key(number) for number in range(5)]


async def test_a_sender_waits_when_a_listener_is_too_far_behind(listen, clock):
    channel = Channel(buffer=2)
    sending = asyncio.create_task(send_all(channel, range(5)))
    await clock.settle()
    assert not sending.done()
    task, queue = listen(channel)
    await sending
    await channel.close()
    await task
    assert len(queue) == 5


async def send_all(channel, things):
    for thing in things:
        await channel.send(thing)


async def test_an_event_that_a_program_makes_up_is_mapped_like_one_of_a_watch(listen, thing):
    channel = Channel()
    task, queue = listen(channel, itself)
    entry = read_entry(thing, b'{"metadata": {"name": "a", "namespace": "ns"}}')
    await channel.send(Event(thing, "MODIFIED", entry.key, entry, entry))
    await channel.send(Event(thing, "MODIFIED", entry.key, None, None))
    await channel.close()
    await task
    assert await waiting(queue) == [Key("ns", "a")]


async def test_closing_ends_the_source_and_takes_nothing_more(listen):
    channel = Channel()
    task, _ = listen(channel)
    await channel.close()
    await asyncio.wait_for(task, 5)
    with pytest.raises(KaitoError, match="ChannelClosed"):
        await channel.send(1)


async def test_a_closed_channel_still_gives_what_was_sent_to_who_comes_late(listen):
    channel = Channel()
    await channel.send(1)
    await channel.close()
    task, queue = listen(channel)
    await asyncio.wait_for(task, 5)
    assert await waiting(queue) == [key(1)]
    task, queue = listen(channel)
    await asyncio.wait_for(task, 5)
    assert len(queue) == 0


async def test_a_listener_that_goes_away_lets_the_sender_go(listen, clock):
    channel = Channel(buffer=1)
    task, _ = listen(channel, lambda _number: asyncio.Event().wait())
    await clock.settle()
    sending = asyncio.create_task(send_all(channel, range(4)))
    await clock.settle()
    assert not sending.done()
    task.cancel()
    await asyncio.wait_for(sending, 5)


async def test_a_controller_reconciles_what_comes_through_a_channel(controller, cache, clock, scripted):
    channel = Channel()
    await channel.send(1)
    controller.fed_by(ChannelSource(channel, lambda number: [key(number)]))
    await clock.settle()
    assert scripted.runs == []
    cache.synced.set()
    await channel.send(2)
    await clock.settle()
    assert scripted.runs == [key(1), key(2)]
