"""Reads of the cache."""

import asyncio

import msgspec
import pytest
from pydantic import BaseModel

from kaito.core import Cache, KaitoError, Key, Kind, parse_selector
from kaito.core.cache import Selection


class Spec(BaseModel):
    x: int


class Model(BaseModel):
    spec: Spec


class View(msgspec.Struct):
    spec: dict


MODEL = Kind("example.org/v1", "Thing", Model)
VIEW = Kind("example.org/v1", "Thing", View)


@pytest.fixture
async def cache(api, client, thing):
    made = Cache(client)
    made.register(thing)
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


async def test_one_watch_serves_every_model(api, cache, thing):
    api.put("a", spec={"x": 1})
    cache.register(MODEL)
    cache.register(VIEW)
    await cache.wait_for_sync()
    key = Key("ns", "a")
    assert cache.get(thing, key)["spec"] == {"x": 1}
    assert cache.get(MODEL, key).spec.x == 1
    assert cache.get(VIEW, key).spec == {"x": 1}
    assert cache.entry(MODEL, key).decode().spec.x == 1
    assert len(api.watch_requests()) == 1


async def test_it_says_whether_a_kind_has_been_listed(api, cache):
    cache.register(MODEL)
    assert not cache.has_synced([MODEL])
    await cache.wait_for_sync([MODEL])
    assert cache.has_synced([MODEL])


async def test_handlers_get_entries_of_their_own_model(api, cache):
    events = []
    cache.subscribe(MODEL, events.append)
    api.put("a", spec={"x": 1})
    await cache.wait_for_sync()
    assert events[0].kind == MODEL
    assert events[0].new.decode().spec.x == 1


async def test_lists_are_by_namespace_and_labels(api, cache, thing):
    api.put("a", metadata={"labels": {"app": "x", "n": "1"}})
    api.put("b", metadata={"labels": {"app": "x"}})
    api.put("c", collection="/apis/example.org/v1/namespaces/other/things", metadata={"labels": {"app": "x"}})
    await cache.wait_for_sync()

    def names(*arguments):
        return sorted(found.metadata.name for found in cache.entries(thing, *arguments))

    assert names() == ["a", "b", "c"]
    assert names("ns") == ["a", "b"]
    assert names("nowhere") == []
    assert names(None, {"app": "x", "n": "1"}) == ["a"]
    assert names("ns", parse_selector("!n")) == ["b"]
    assert len(cache.list(thing, "ns", {"app": "x"})) == 2


async def test_an_object_may_be_changed_by_its_reader(api, cache, thing):
    api.put("a", spec={"x": 1})
    await cache.wait_for_sync()
    cache.get(thing, Key("ns", "a"))["spec"]["x"] = 2
    assert cache.get(thing, Key("ns", "a"))["spec"]["x"] == 1


async def test_a_kind_that_nobody_registered_is_an_error_not_an_absence(cache):
    with pytest.raises(KaitoError, match="KindNotCached"):
        cache.get(Kind("v1", "Secret", dict), Key("ns", "a"))


async def test_an_object_that_does_not_fit_its_model_says_so(api, cache):
    api.put("a", spec={"x": "no number"})
    await cache.wait_for_sync()
    with pytest.raises(KaitoError) as caught:
        cache.get(MODEL, Key("ns", "a"))
    assert caught.value.reason == "ObjectUnreadable"
    assert caught.value.terminal


async def test_one_kind_has_one_selection(cache, thing):
    with pytest.raises(KaitoError, match="SelectionConflict"):
        cache.register(thing, Selection("ns"))


async def test_a_kind_registered_late_is_cached_too(api, cache):
    api.put("m", collection="/api/v1/namespaces/ns/configmaps")
    await cache.wait_for_sync()
    late = Kind("v1", "ConfigMap", dict, "configmaps", True)
    cache.register(late)
    await cache.wait_for_sync([late])
    assert cache.get(late, Key("ns", "m")) is not None
