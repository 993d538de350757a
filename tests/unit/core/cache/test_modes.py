"""How objects are kept: what a reader gets of each mode, and how much room it takes."""

import gc
import tracemalloc

import msgspec
import orjson
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from kaito.core import KaitoError, Key, Kind
from kaito.core.cache import Selection
from kaito.core.cache.entry import read_entry
from kaito.core.cache.store import Store
from kaito.core.client.writes import Write
from kaito.core.kinds import CONFIG_MAP, POD
from kaito.core.objects import PartialObjectMetadata

PARTIAL = Kind("v1", "ConfigMap", PartialObjectMetadata, "configmaps", True)


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    data: dict[str, str]


class FrozenStruct(msgspec.Struct, frozen=True):
    data: dict[str, str]


FROZEN = Kind("v1", "ConfigMap", Frozen, "configmaps", True)


async def put(server, name="a", **data):
    metadata = {"name": name, "namespace": "default", "labels": {"app": "web"}}
    return await server.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


@pytest.mark.parametrize("mode", ["raw", "compressed"])
async def test_the_whole_object_is_kept_but_for_managed_fields(server, caching, mode):
    made = await put(server, x="1")
    async with caching((CONFIG_MAP, Selection(mode=mode))) as cache:
        expected = {**made, "metadata": {k: v for k, v in made["metadata"].items() if k != "managedFields"}}
        assert cache.get(CONFIG_MAP, Key("default", "a")) == expected
        assert cache.live("v1", "ConfigMap", Key("default", "a")) == expected


async def test_nothing_but_metadata_is_asked_for_and_kept(server, caching, until):
    await put(server, x="1")
    async with caching((CONFIG_MAP, Selection(mode="metadata"))) as cache:
        found = cache.get(CONFIG_MAP, Key("default", "a"))
        assert (found["apiVersion"], found["kind"], found["metadata"]["labels"]) == ("v1", "ConfigMap", {"app": "web"})
        assert "data" not in found
        await put(server, "b", x="1")
        entry = await until(lambda: cache.entry(CONFIG_MAP, Key("default", "b")))
        assert b'"data"' not in entry.raw
        assert len(cache.list(CONFIG_MAP, labels={"app": "web"})) == 2
        assert cache.live("v1", "ConfigMap", Key("default", "a")) is None, "an apply cannot compare with metadata"


async def test_a_kind_that_is_read_as_metadata_is_cached_as_such(server, caching):
    await put(server, x="1")
    async with caching((PARTIAL, None)) as cache:
        assert cache.get(PARTIAL, Key("default", "a")).metadata.labels == {"app": "web"}
        assert b'"data"' not in cache.entry(PARTIAL, Key("default", "a")).raw
        with pytest.raises(KaitoError, match="MetadataOnly"):
            cache.get(CONFIG_MAP, Key("default", "a"))
        with pytest.raises(KaitoError, match="MetadataOnly"):
            cache.register(CONFIG_MAP)


async def test_one_watch_serves_who_reads_all_and_who_reads_metadata(server, caching):
    await put(server, x="1")
    server.asked.clear()
    async with caching((CONFIG_MAP, None), (PARTIAL, None)) as cache:
        assert cache.get(PARTIAL, Key("default", "a")).metadata.name == "a"
        assert cache.get(CONFIG_MAP, Key("default", "a"))["data"] == {"x": "1"}
    assert len([one for one in server.asked if one.resource == "configmaps"]) == 1


async def test_decoded_objects_are_shared_and_frozen(server, caching):
    await put(server, x="1")
    async with caching((FROZEN, Selection(mode="decoded"))) as cache:
        found = cache.get(FROZEN, Key("default", "a"))
        assert cache.get(FROZEN, Key("default", "a")) is found
        with pytest.raises(ValidationError):
            found.data = {}
        assert cache.get(CONFIG_MAP, Key("default", "a"))["data"] == {"x": "1"}, "other models decode for themselves"


def test_a_decoded_object_that_does_not_fit_says_so_to_its_reader():
    kind = Kind("v1", "ConfigMap", FrozenStruct)
    entry = read_entry(kind, b'{"metadata":{"name":"a"},"data":1}', "decoded")
    with pytest.raises(KaitoError, match="ObjectUnreadable"):
        entry.decode()


@pytest.mark.parametrize("mode", ["raw", "compressed"])
async def test_a_reader_may_change_what_it_got(server, caching, mode):
    await put(server, x="1")
    key = Key("default", "a")
    async with caching((CONFIG_MAP, Selection(mode=mode))) as cache:
        for found in (
            cache.get(CONFIG_MAP, key),
            cache.list(CONFIG_MAP, "default")[0],
            cache.entry(CONFIG_MAP, key).json(),
        ):
            found["data"]["x"] = "2"
            found["metadata"]["labels"]["app"] = "db"
        assert cache.get(CONFIG_MAP, key)["data"] == {"x": "1"}
        assert cache.entry(CONFIG_MAP, key).metadata.labels == {"app": "web"}


def without_data(obj):
    if obj["metadata"]["name"] == "broken":
        raise LookupError("mine")
    return {name: value for name, value in obj.items() if name != "data"}


async def test_a_transform_changes_what_is_kept_of_lists_and_watches(server, caching, until):
    await put(server, x="1")
    async with caching((CONFIG_MAP, Selection(transform=without_data))) as cache:
        await put(server, "b", x="1")
        await until(lambda: cache.entry(CONFIG_MAP, Key("default", "b")))
        assert "data" not in cache.get(CONFIG_MAP, Key("default", "a"))
        assert "data" not in cache.get(CONFIG_MAP, Key("default", "b"))
        assert cache.live("v1", "ConfigMap", Key("default", "a")) is None, "an apply cannot compare with a part"


async def test_an_object_whose_transform_fails_is_kept_as_it_came_and_the_others_are_changed(server, caching):
    for name in ("a", "broken", "c"):
        await put(server, name, x="1")
    async with caching((CONFIG_MAP, Selection(transform=without_data))) as cache:
        found = {one["metadata"]["name"]: one for one in cache.list(CONFIG_MAP, "default")}
        assert [name for name in ("a", "broken", "c") if "data" in found[name]] == ["broken"]
        await server.client.delete(CONFIG_MAP, Key("default", "broken"))
        await cache.wait_for_writes([Write("v1", "ConfigMap", Key("default", "broken"), deleted=True)])
        assert cache.get(CONFIG_MAP, Key("default", "broken")) is None


async def test_transform_and_mode_are_chosen_before_the_start(caching):
    async with caching((CONFIG_MAP, None)) as cache:
        for late in (Selection(transform=without_data), Selection(mode="compressed")):
            with pytest.raises(KaitoError, match="SelectionConflict"):
                cache.register(CONFIG_MAP, late)


def room_of(mode, pods, count=300):
    """Return bytes per Pod in a store, and objects per Pod that the garbage collector has to look at."""
    gc.collect()
    tracked = len(gc.get_objects())
    tracemalloc.start()
    try:
        store = Store(POD)
        for pod in pods(count):
            store.put(read_entry(POD, pod, mode))
        del pod
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        return size / count, (len(gc.get_objects()) - tracked) / count
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("mode", "most"), [("raw", 9), ("compressed", 5), ("metadata", 3)])
def test_a_pod_of_ten_kilobytes_takes_no_more_than(pods, mode, most):
    assert 9_500 < sum(map(len, pods(10))) / 10 < 10_500
    size, tracked = room_of(mode, pods)
    assert size / 1024 < most
    assert tracked < 0.1, "the garbage collector would walk through the cache"


def test_equal_labels_and_owners_are_kept_once(pods):
    one, other = (read_entry(POD, pod).metadata for pod in pods(2))
    assert one.name != other.name
    assert one.labels is other.labels
    assert one.owner_references is other.owner_references
    assert one.namespace is other.namespace


def test_an_entry_keeps_no_list_alive(pods):
    page = orjson.dumps([orjson.loads(pod) for pod in pods(3)])
    items = msgspec.json.decode(page, type=list[msgspec.Raw])
    entry = read_entry(POD, items[1])
    assert type(entry.kept) is bytes
    assert not any(held is page for held in gc.get_referents(entry.kept))
