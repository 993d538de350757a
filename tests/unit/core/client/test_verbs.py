"""The verbs against an API server that means them: the embedded one."""

import asyncio

import pytest

from kaito.core import (
    Client,
    ConflictError,
    ExpiredError,
    InvalidError,
    KaitoError,
    Key,
    Kind,
    NotFoundError,
    PartialObjectMetadata,
    json_patch_from,
    merge_from,
)
from kaito.core.client import recording
from kaito.core.kinds import CONFIG_MAP, DEPLOYMENT, POD

KEY = Key("default", "web")
METADATA = Kind("v1", "ConfigMap", PartialObjectMetadata, "configmaps", True)


def config_map(name="web", data=None, **metadata):
    where = {"name": name, "namespace": "default", **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": data or {}}


def deployment():
    labels = {"app": "web"}
    spec = {"containers": [{"name": "c", "image": "nginx"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


async def names(client: Client, **selection: str) -> list[str]:
    found = await client.list(CONFIG_MAP, "default", **selection)
    return [item["metadata"]["name"] for item in found.items if item["metadata"]["name"] != "kube-root-ca.crt"]


async def test_pages_are_of_one_version_and_hold_every_object_once(embedded):
    for number in range(5):
        await embedded.create(config_map(f"m{number}"))
    pages = []
    async for page in embedded.pages(CONFIG_MAP, "default", limit=2):
        await embedded.create(config_map(f"z{len(pages)}"))
        pages.append(page)
    assert [item["metadata"]["name"] for page in pages for item in page.items][:5] == [f"m{n}" for n in range(5)]
    assert all(len(page.items) <= 2 for page in pages)
    assert len({page.resource_version for page in pages}) == 1


async def test_a_list_whose_pages_expire_is_read_again_in_one_answer(api, client, refuse, thing):
    for number in range(3):
        api.put(f"t{number}")
    api.page_size = 2
    api.faults.append(lambda request: refuse(410, "Expired") if "continue" in request.query else None)
    assert len((await client.list(thing, "ns", limit=2)).items) == 3
    assert [set(params) for params in api.lists()] == [{"limit"}, {"limit", "continue"}, set()]
    with pytest.raises(ExpiredError):
        async for _ in client.pages(thing, "ns", limit=2):
            pass


async def test_metadata_alone_is_read_listed_and_watched(embedded):
    listed = await embedded.list(METADATA, "default")
    watch = embedded.watch(METADATA, "default", resource_version=listed.resource_version)
    created = await embedded.create(config_map(data={"x": "1"}, labels={"a": "b"}))
    read = await embedded.get(METADATA, KEY)
    assert read.metadata.labels == {"a": "b"}
    assert read.metadata.uid == created["metadata"]["uid"]
    assert read in (await embedded.list(METADATA, "default")).items
    async with asyncio.timeout(10):
        assert (await anext(watch)).object == read
    await watch.aclose()


async def test_metadata_alone_cannot_be_written(api, client):
    partial = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"}}
    for attempt in (client.create(partial), client.update(partial), client.apply(partial)):
        with pytest.raises(KaitoError, match="metadata alone"):
            await attempt
    assert api.requests == []


async def test_each_kind_of_patch_reaches_the_object(embedded):
    base = await embedded.create(config_map(data={"x": "1", "y": "2"}))
    wanted = {**base, "data": {"x": "2"}}
    assert (await embedded.patch(CONFIG_MAP, KEY, merge_from(base, wanted)))["data"] == {"x": "2"}
    json_patch = [{"op": "replace", "path": "/data/x", "value": "3"}]
    assert (await embedded.patch(CONFIG_MAP, KEY, json_patch, patch_type="json"))["data"] == {"x": "3"}
    strategic = {"data": {"$patch": "replace", "z": "4"}}
    assert (await embedded.patch(CONFIG_MAP, KEY, strategic, patch_type="strategic"))["data"] == {"z": "4"}
    with pytest.raises(ConflictError):
        await embedded.with_options(field_manager="other").patch(
            CONFIG_MAP, KEY, config_map(data={"z": "5"}), patch_type="apply"
        )
    applied = await embedded.patch(CONFIG_MAP, KEY, config_map(data={"z": "5"}), patch_type="apply", force=True)
    assert applied["data"] == {"z": "5"}


async def test_a_patch_with_a_lock_is_refused_once_the_object_has_changed(embedded):
    base = await embedded.create(config_map(data={"x": "1"}))
    await embedded.patch(CONFIG_MAP, KEY, {"data": {"by": "another"}})
    wanted = {**base, "data": {"x": "2"}}
    with pytest.raises(ConflictError):
        await embedded.patch(CONFIG_MAP, KEY, merge_from(base, wanted, optimistic_lock=True))
    locked = json_patch_from(base, wanted, optimistic_lock=True)
    with pytest.raises(InvalidError):
        await embedded.patch(CONFIG_MAP, KEY, locked, patch_type="json")
    assert (await embedded.get(CONFIG_MAP, KEY))["data"] == {"x": "1", "by": "another"}


async def test_a_dry_run_shows_the_result_and_changes_nothing(embedded):
    dry = embedded.with_options(dry_run=True)
    assert (await dry.create(config_map()))["metadata"]["uid"]
    with pytest.raises(NotFoundError):
        await embedded.get(CONFIG_MAP, KEY)
    await embedded.create(config_map(data={"x": "1"}))
    assert (await dry.apply(config_map(data={"x": "2"})))["data"] == {"x": "2"}
    await dry.delete(CONFIG_MAP, KEY)
    await dry.delete_all(CONFIG_MAP, "default")
    assert (await embedded.get(CONFIG_MAP, KEY))["data"] == {"x": "1"}


async def test_strict_validation_refuses_an_unknown_field(embedded):
    unknown = {**config_map(), "dada": {}}
    with pytest.raises(InvalidError, match="dada"):
        await embedded.create(unknown, field_validation="Strict")
    await embedded.create(unknown, field_validation="Ignore")


async def test_the_scale_of_a_deployment_is_read_and_written_in_its_own_form(embedded):
    await embedded.create(deployment())
    scale = await embedded.get_subresource(DEPLOYMENT, KEY, "scale")
    assert scale["kind"] == "Scale"
    with recording() as writes:
        scaled = await embedded.update_subresource(DEPLOYMENT, KEY, "scale", {**scale, "spec": {"replicas": 3}})
    assert scaled["spec"] == {"replicas": 3}
    assert writes["apps/v1", "Deployment", KEY].resource_version == scaled["metadata"]["resourceVersion"]
    await embedded.patch(DEPLOYMENT, KEY, {"spec": {"replicas": 2}}, subresource="scale")
    assert (await embedded.get(DEPLOYMENT, KEY))["spec"]["replicas"] == 2


async def test_a_pod_is_bound_and_evicted_through_its_subresources(embedded):
    spec = {"containers": [{"name": "c", "image": "nginx"}], "terminationGracePeriodSeconds": 0}
    await embedded.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})
    target = {"apiVersion": "v1", "kind": "Node", "name": "n"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": target}
    await embedded.create_subresource(POD, KEY, "binding", binding)
    assert (await embedded.get(POD, KEY))["spec"]["nodeName"] == "n"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": "default"}}
    await embedded.create_subresource(POD, KEY, "eviction", eviction)
    gone = await embedded.list(POD, "default")
    assert all(pod["metadata"].get("deletionTimestamp") for pod in gone.items)


async def test_all_that_is_selected_is_deleted_and_nothing_else(embedded):
    for number in range(3):
        await embedded.create(config_map(f"a{number}", labels={"app": "a"}))
    await embedded.create(config_map("held", labels={"app": "a"}, finalizers=["example.org/hold"]))
    await embedded.create(config_map("b", labels={"app": "b"}))
    with recording() as writes:
        await embedded.delete_all(CONFIG_MAP, "default", labels="app=a")
    assert await names(embedded) == ["b", "held"]
    assert {(key.name, write.deleted) for (_, _, key), write in writes.items()} == {
        ("a0", True),
        ("a1", True),
        ("a2", True),
    }


async def test_a_deletion_is_of_that_very_object(embedded):
    created = await embedded.create(config_map())
    for condition in ({"uid": "another"}, {"resource_version": "1"}):
        with pytest.raises(ConflictError):
            await embedded.delete(CONFIG_MAP, KEY, **condition)
    metadata = created["metadata"]
    await embedded.delete(CONFIG_MAP, KEY, uid=metadata["uid"], resource_version=metadata["resourceVersion"])
    assert await names(embedded) == []
