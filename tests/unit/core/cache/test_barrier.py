"""Own writes are seen by who reads after them, and hold up nobody else."""

import asyncio

import pytest

from kaito.core import Cache, InvalidError, KaitoError, Key
from kaito.core.cache import Selection
from kaito.core.client import recording
from kaito.core.client.writes import Write
from kaito.core.kinds import CONFIG_MAP
from kaito.testing import LoopClock, VirtualClock

KEY = Key("default", "a")


def config_map(name="a", **fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, **fields}


async def create(client):
    await client.create(config_map("b", data={"x": "new"}))


async def update(client):
    found = await client.get(CONFIG_MAP, KEY)
    await client.update({**found, "data": {"x": "new"}})


async def patch(client):
    await client.patch(CONFIG_MAP, KEY, {"data": {"x": "new"}})


async def apply(client):
    await client.apply(config_map(data={"x": "new"}))


@pytest.mark.parametrize("write", [create, update, patch, apply])
async def test_a_read_after_a_write_sees_it(server, caching, write):
    await server.client.create(config_map(data={"x": "old"}))
    async with caching((CONFIG_MAP, None)) as cache:
        with recording() as writes:
            await write(server.client)
        assert await cache.wait_for_writes(writes.values())
        (done,) = writes.values()
        assert cache.get(CONFIG_MAP, done.key)["data"] == {"x": "new"}


async def test_a_read_after_a_delete_finds_nothing(server, caching):
    await server.client.create(config_map())
    async with caching((CONFIG_MAP, None)) as cache:
        with recording() as writes:
            await server.client.delete(CONFIG_MAP, KEY)
        assert await cache.wait_for_writes(writes.values())
        assert cache.get(CONFIG_MAP, KEY) is None


async def test_a_read_after_a_delete_that_finalizers_hold_back_finds_a_deleted_object(server, caching):
    held = config_map()
    held["metadata"]["finalizers"] = ["example.org/hold"]
    await server.client.create(held)
    async with caching((CONFIG_MAP, None)) as cache:
        with recording() as writes:
            await server.client.delete(CONFIG_MAP, KEY)
        assert await cache.wait_for_writes(writes.values())
        assert cache.get(CONFIG_MAP, KEY)["metadata"]["deletionTimestamp"]


async def test_a_write_that_failed_is_not_waited_for(server, caching):
    async with caching((CONFIG_MAP, None)) as cache:
        with recording() as writes, pytest.raises(InvalidError):
            await server.client.create(config_map("Not a name"))
        assert not writes
        assert cache.shows(writes.values())


async def test_other_objects_are_read_while_a_write_is_waited_for(server, caching):
    await server.client.create(config_map(data={"x": "old"}))
    async with caching((CONFIG_MAP, None)) as cache:
        late = Write("v1", "ConfigMap", Key("default", "z"), "99999", labels={})
        waiting = asyncio.create_task(cache.wait_for_writes([late], 60))
        await asyncio.sleep(0)
        assert not cache.shows([late])
        assert cache.get(CONFIG_MAP, KEY)["data"] == {"x": "old"}
        assert await cache.wait_for_writes([Write("v1", "ConfigMap", KEY, "1")])
        waiting.cancel()


async def test_a_read_may_ask_for_a_version_at_least(server, caching):
    async with caching((CONFIG_MAP, None)) as cache:
        made = await server.client.create(config_map(data={"x": "1"}))
        version = made["metadata"]["resourceVersion"]
        assert (await cache.at_least(CONFIG_MAP, KEY, version))["data"] == {"x": "1"}
        await server.client.delete(CONFIG_MAP, KEY)
        gone = await server.client.create(config_map("later"))
        assert await cache.at_least(CONFIG_MAP, KEY, gone["metadata"]["resourceVersion"]) is None


async def test_a_version_that_does_not_come_is_an_error_after_five_seconds(server, running):
    clock = VirtualClock()
    cache = Cache(server.client, clock=clock)
    cache.register(CONFIG_MAP, Selection(resync=0))
    async with running(cache.run):
        await cache.wait_for_sync()
        reading = asyncio.create_task(cache.at_least(CONFIG_MAP, KEY, "99999"))
        await clock.advance(4.9)
        assert not reading.done()
        await clock.advance(0.2)
        with pytest.raises(KaitoError, match="CacheBehind") as caught:
            await reading
        assert not caught.value.terminal


async def test_a_cache_is_started_once_and_not_read_before(server, running):
    cache = Cache(server.client, clock=LoopClock())
    cache.register(CONFIG_MAP)
    for read in (lambda: cache.get(CONFIG_MAP, KEY), lambda: cache.list(CONFIG_MAP)):
        with pytest.raises(KaitoError, match="CacheNotStarted"):
            read()
    async with running(cache.run):
        with pytest.raises(KaitoError, match="CacheStarted"):
            await cache.run()
