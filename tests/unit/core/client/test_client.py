"""The client's requests are those of the Kubernetes API."""

import pytest

from kaito.core import (
    APPLIED_ANNOTATION,
    AlreadyExistsError,
    ConflictError,
    KaitoError,
    Key,
    Kind,
    NotFoundError,
)
from kaito.core.client import recording
from kaito.core.kinds import CONFIG_MAP

MAPS = "/api/v1/namespaces/ns/configmaps"
STATUS = "/apis/example.org/v1/namespaces/ns/things/a/status"


def config_map(name="a", **fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "ns"}, **fields}


class Live:
    """What a cache would show."""

    def __init__(self, api):
        self.api = api

    def live(self, _api_version, kind, key):
        collection = {"ConfigMap": MAPS, "Thing": STATUS.removesuffix("/a/status")}[kind]
        return self.api.objects.get(f"{collection}/{key.name}")


async def test_get_reads_one_object_and_says_when_there_is_none(api, client):
    api.put("a", collection=MAPS, data={"x": "1"})
    assert (await client.get(CONFIG_MAP, Key("ns", "a")))["data"] == {"x": "1"}
    with pytest.raises(NotFoundError):
        await client.get(CONFIG_MAP, Key("ns", "b"))


async def test_list_follows_pages_and_names_the_kind_of_each_item(api, client, thing):
    for number in range(5):
        obj = api.put(f"t{number}")
        del obj["kind"], obj["apiVersion"]
    api.page_size = 2
    found = await client.list(thing, "ns", limit=2)
    assert [item["metadata"]["name"] for item in found.items] == ["t0", "t1", "t2", "t3", "t4"]
    assert {(item["apiVersion"], item["kind"]) for item in found.items} == {("example.org/v1", "Thing")}
    assert found.resource_version == str(api.version)
    assert [set(params) for params in api.lists()] == [{"limit"}, {"limit", "continue"}, {"limit", "continue"}]


async def test_selectors_are_sent(api, client, thing):
    await client.list(thing, "ns", labels="a=b", fields="metadata.name=x")
    assert api.lists() == [{"labelSelector": "a=b", "fieldSelector": "metadata.name=x"}]


async def test_a_kind_without_plural_is_discovered_once(api, client, thing):
    await client.list(thing)
    await client.list(thing, "ns")
    assert [path for _, path, _ in api.requests] == [
        "/apis/example.org/v1",
        "/apis/example.org/v1/things",
        "/apis/example.org/v1/namespaces/ns/things",
    ]


@pytest.mark.parametrize("kind", [Kind("example.org/v1", "Other", dict), Kind("other.org/v1", "Thing", dict)])
async def test_a_kind_that_is_not_served_is_not_found_with_a_remedy(client, kind):
    with pytest.raises(NotFoundError) as caught:
        await client.list(kind)
    assert kind.kind in caught.value.message
    assert "CustomResourceDefinition" in caught.value.remedy


async def test_create_posts_and_refuses_a_taken_name(api, client):
    created = await client.create(config_map())
    assert created["metadata"]["uid"]
    with pytest.raises(AlreadyExistsError):
        await client.create(config_map())
    await client.create(config_map("b"), dry_run=True)
    assert api.seen("POST")[-1] == {"fieldManager": "test", "dryRun": "All"}


async def test_an_object_without_a_kind_is_refused_before_any_request(api, client):
    with pytest.raises(KaitoError) as caught:
        await client.create({"metadata": {"name": "a"}})
    assert caught.value.reason == "ObjectIncomplete"
    assert not api.requests


async def test_apply_is_forced_under_our_name_and_marked(api, client):
    await client.apply(config_map(data={"a": "1"}))
    assert api.requests == [("PATCH", f"{MAPS}/a", {"fieldManager": "test", "force": "true"})]
    assert api.bodies[-1]["metadata"]["annotations"][APPLIED_ANNOTATION]


async def test_a_second_apply_of_the_same_makes_no_request(api, client):
    client.compare_with(Live(api))
    await client.apply(config_map(data={"a": "1"}))
    live = await client.apply(config_map(data={"a": "1"}))
    assert live["data"] == {"a": "1"}
    assert len(api.seen("PATCH")) == 1
    await client.apply(config_map(data={"a": "2"}))
    assert len(api.seen("PATCH")) == 2


async def test_another_manager_that_applies_the_same_is_heard(api, client):
    client.compare_with(Live(api))
    other = client.with_options(field_manager="other")
    for one in (client, other, other):
        await one.apply(config_map(data={"x": "1"}))
    assert [params["fieldManager"] for params in api.seen("PATCH")] == ["test", "other"]


async def test_apply_corrects_the_edit_of_another(api, client):
    client.compare_with(Live(api))
    await client.apply(config_map(data={"a": "1"}))
    api.objects[f"{MAPS}/a"]["data"]["a"] = "edited"
    await client.apply(config_map(data={"a": "1"}))
    assert api.objects[f"{MAPS}/a"]["data"]["a"] == "1"


async def test_apply_with_a_uid_never_creates(api, client):
    wanted = config_map()
    wanted["metadata"]["uid"] = "gone"
    with pytest.raises(ConflictError):
        await client.apply(wanted)
    assert not api.objects


async def test_a_status_is_applied_without_annotation_and_not_again(api, client):
    api.put("a")
    client.compare_with(Live(api))
    status = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "ns"}}
    await client.apply({**status, "status": {"phase": "x", "note": "y"}}, subresource="status")
    await client.apply({**status, "status": {"phase": "x", "note": "y"}}, subresource="status")
    assert len(api.seen("PATCH")) == 1
    assert "annotations" not in api.bodies[-1]["metadata"]
    await client.apply({**status, "status": {"phase": "x"}}, subresource="status")
    assert len(api.seen("PATCH")) == 2  # `note` is no longer desired


async def test_an_object_without_a_namespace_goes_to_that_of_the_connection(api, client):
    obj = config_map()
    del obj["metadata"]["namespace"]
    await client.apply(obj)
    assert "/api/v1/namespaces/default/configmaps/a" in api.objects


async def test_patch_types_have_their_content_types(api, client):
    api.put("a", collection=MAPS)
    types = []
    api.faults.append(lambda request: types.append(request.content_type) if request.method == "PATCH" else None)
    await client.patch(CONFIG_MAP, Key("ns", "a"), {"data": {"x": "1"}})
    await client.patch(CONFIG_MAP, Key("ns", "a"), {"data": {"x": "2"}}, patch_type="strategic")
    assert types == ["application/merge-patch+json", "application/strategic-merge-patch+json"]


async def test_delete_sends_its_conditions_and_does_not_swallow_absence(api, client):
    api.put("a", collection=MAPS)
    await client.delete(
        CONFIG_MAP, Key("ns", "a"), uid="u", resource_version="7", propagation="Foreground", grace_period_seconds=0
    )
    assert api.bodies[-1] == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "propagationPolicy": "Foreground",
        "gracePeriodSeconds": 0,
    }
    with pytest.raises(NotFoundError):
        await client.delete(CONFIG_MAP, Key("ns", "a"))


async def test_writes_are_recorded_for_whoever_asks(api, client):
    with recording() as writes:
        await client.create(config_map())
        await client.patch(CONFIG_MAP, Key("ns", "a"), {"data": {"x": "1"}})
        await client.create(config_map("b"))
        await client.delete(CONFIG_MAP, Key("ns", "b"))
        await client.create(config_map("c"), dry_run=True)
    await client.create(config_map("d"))
    found = {write.key.name: (write.resource_version, write.deleted) for write in writes.values()}
    assert found == {"a": (api.objects[f"{MAPS}/a"]["metadata"]["resourceVersion"], False), "b": ("", True)}


async def test_watch_yields_events_until_the_server_ends_it(api, client, thing, until):
    api.put("a")
    api.bookmark()
    events = []
    async for event in client.watch(thing, "ns", resource_version="0"):
        events.append((event.type, event.object["metadata"]["name"]))
        api.close_watches()
    assert events == [("ADDED", "a")]


async def test_request_speaks_json_both_ways(api, client):
    api.put("a", collection=MAPS)
    assert (await client.request("GET", f"{MAPS}/a"))["kind"] == "ConfigMap"
