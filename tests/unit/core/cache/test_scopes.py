"""Parts of a kind: the right objects, from the right URLs, and an error for what was not asked for."""

import asyncio

import pytest

from kaito.core import Cache, KaitoError, Key, Kind, parse_selector
from kaito.core.cache import ALL_NAMESPACES, NamespaceSelection, Selection
from kaito.core.kinds import CONFIG_MAP, NODE, SECRET

WEB, ANY = NamespaceSelection(labels="app=web"), NamespaceSelection()


def config_map(name, namespace, **labels):
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"name": name}}


@pytest.fixture
async def maps(server):
    for namespace in "xyz":
        await server.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        await server.client.create(config_map("a", namespace, app="web"))
        await server.client.create(config_map("b", namespace, app="db"))
    server.asked.clear()
    return server


def names(cache, *arguments, **options):
    return sorted(f"{one.key}" for one in cache.entries(CONFIG_MAP, *arguments, **options) if one.key.name in "abc")


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(labels="app=web"), ["x/a", "y/a", "z/a"]),
        (Selection("x", "app=web"), ["x/a"]),
        (Selection(namespaces={"x": WEB, "y": ANY}), ["x/a", "y/a", "y/b"]),
        (Selection(namespaces={"x": WEB, ALL_NAMESPACES: ANY}), ["x/a", "y/a", "y/b", "z/a", "z/b"]),
        (Selection(labels="app=db", namespaces={"x": WEB, ALL_NAMESPACES: ANY}), ["x/a", "y/b", "z/b"]),
        (Selection(fields="metadata.name=b"), ["x/b", "y/b", "z/b"]),
        (Selection(fields="metadata.namespace=z"), ["z/a", "z/b"]),
    ],
)
@pytest.mark.usefixtures("maps")
async def test_what_was_chosen_is_cached_and_nothing_else(caching, selection, expected):
    async with caching((CONFIG_MAP, selection)) as cache:
        assert names(cache) == expected


@pytest.mark.usefixtures("maps")
async def test_changes_of_every_part_arrive_and_those_of_others_do_not(caching, server, until):
    async with caching((CONFIG_MAP, Selection(namespaces={"x": WEB, "y": ANY}))) as cache:
        events = []
        cache.subscribe(CONFIG_MAP, events.append)
        events.clear()
        for namespace, labels in (("z", {}), ("x", {}), ("x", {"app": "web"}), ("y", {})):
            await server.client.create(config_map(f"c{len(labels)}", namespace, **labels))
        await server.client.delete(CONFIG_MAP, Key("y", "a"))
        await until(lambda: len(events) == 3)
        assert sorted((event.type, str(event.key)) for event in events) == [
            ("ADDED", "x/c1"),
            ("ADDED", "y/c0"),
            ("DELETED", "y/a"),
        ]


async def test_each_namespace_is_asked_for_by_itself(maps, caching):
    async with caching((CONFIG_MAP, Selection(namespaces={"x": WEB, "y": ANY}))):
        assert {one.key.namespace for one in maps.asked if one.resource == "configmaps"} == {"x", "y"}


@pytest.mark.usefixtures("maps")
async def test_to_read_a_namespace_that_is_not_watched_is_an_error_not_an_absence(caching):
    async with caching((CONFIG_MAP, Selection(namespaces={"x": WEB, "y": ANY}))) as cache:
        for read in (
            lambda: cache.get(CONFIG_MAP, Key("z", "a")),
            lambda: cache.list(CONFIG_MAP, "z"),
            lambda: cache.list(CONFIG_MAP, "z", fields={"owner": "u"}),
        ):
            with pytest.raises(KaitoError, match="NamespaceNotCached"):
                read()
        assert cache.get(CONFIG_MAP, Key("x", "b")) is None
        assert cache.live("v1", "ConfigMap", Key("z", "a")) is None


@pytest.mark.usefixtures("maps")
async def test_the_cache_has_defaults_that_a_kind_may_override(caching):
    everything = Selection(namespaces={ALL_NAMESPACES: ANY})
    async with caching((CONFIG_MAP, None), (SECRET, everything), (NODE, None), defaults=Selection("x")) as cache:
        assert names(cache) == ["x/a", "x/b"]
        assert cache.list(SECRET, "z") == []
        assert cache.list(NODE) == []


def by_data(entry):
    return [entry.json()["data"]["name"]] if "name" in entry.json().get("data", {}) else []


def by_app(entry):
    return [entry.metadata.labels["app"]] if "app" in entry.metadata.labels else []


@pytest.mark.usefixtures("maps")
async def test_objects_are_listed_by_the_exact_values_of_several_indexes(caching):
    async with caching((CONFIG_MAP, Selection(namespaces={"x": ANY, ALL_NAMESPACES: ANY}))) as cache:
        cache.add_index(CONFIG_MAP, "data.name", by_data)
        cache.add_index(CONFIG_MAP, "app", by_app)
        assert names(cache, fields={"data.name": "a"}) == ["x/a", "y/a", "z/a"]
        assert names(cache, "x", fields={"data.name": "a"}) == ["x/a"]
        assert names(cache, "y", fields={"data.name": "a", "app": "web"}) == ["y/a"]
        assert names(cache, fields={"data.name": "a", "app": "db"}) == []
        assert names(cache, fields={"data.name": "A"}) == []
        assert names(cache, labels=parse_selector("app!=web"), fields={"data.name": "b"}) == ["x/b", "y/b", "z/b"]
        with pytest.raises(KaitoError, match="UnknownIndex"):
            cache.list(CONFIG_MAP, fields={"data.other": "a"})


@pytest.mark.usefixtures("maps")
async def test_a_list_may_be_limited_and_is_never_continued(caching):
    async with caching((CONFIG_MAP, None)) as cache:
        assert len(cache.list(CONFIG_MAP, limit=2)) == 2
        assert names(cache, "x", {"app": "web"}, limit=5) == ["x/a"]
        with pytest.raises(TypeError):
            cache.list(CONFIG_MAP, continue_token="next")


@pytest.mark.usefixtures("maps")
async def test_a_read_may_start_the_informer_of_its_kind_and_wait_for_it(caching):
    async with caching() as cache:
        with pytest.raises(KaitoError, match="KindNotCached"):
            cache.get(CONFIG_MAP, Key("x", "a"))
        await cache.informer(CONFIG_MAP)
        assert cache.get(CONFIG_MAP, Key("x", "a"))["data"] == {"name": "a"}


async def test_a_wait_for_a_first_read_ends_with_the_cache_or_the_waiter(server, running):
    missing = Kind("example.org/v1", "Missing", dict)
    cache = Cache(server.client)
    with pytest.raises(KaitoError, match="CacheNotStarted"):
        await cache.informer(CONFIG_MAP)
    async with running(cache.run):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await cache.informer(missing)
        waiting = asyncio.create_task(cache.informer(missing))
        await asyncio.sleep(0)
    with pytest.raises(KaitoError, match="InformerStopped"):
        await waiting


@pytest.mark.usefixtures("maps")
async def test_a_kind_may_be_dropped_and_cached_again(caching, server, until):
    async with caching((CONFIG_MAP, None)) as cache:
        events = []
        subscribed = cache.subscribe(CONFIG_MAP, events.append)
        cache.remove(CONFIG_MAP)
        cache.remove(CONFIG_MAP)
        with pytest.raises(KaitoError, match="KindNotCached"):
            cache.get(CONFIG_MAP, Key("x", "a"))
        events.clear()
        await server.client.create(config_map("c", "x"))
        await cache.informer(CONFIG_MAP, Selection("x"))
        assert names(cache) == ["x/a", "x/b", "x/c"]
        assert events == []
        await subscribed.removed()
        assert not [task for task in asyncio.all_tasks() if "configmaps" in task.get_name()]
