"""Get and list: pages, versions, and the forms in which objects are sent."""

import pytest

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


async def make(api, *names: str):
    for name in names:
        made = (await api("POST", CONFIG_MAPS, {"metadata": {"name": name, "labels": {"name": name}}})).body
    return made


def names(answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


async def test_a_list_names_its_kind_and_version(api):
    made = await make(api, "a", "b")
    listed = (await api("GET", CONFIG_MAPS)).body
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert listed["metadata"] == {"resourceVersion": made["metadata"]["resourceVersion"]}
    assert (await api("GET", "/api/v1/namespaces/none/configmaps")).body["items"] == []


async def test_pages_add_up_to_the_list_and_keep_its_version(api):
    await make(api, "a", "b", "c", "d", "e")
    first = await api("GET", CONFIG_MAPS, limit=2)
    assert (names(first), first.body["metadata"]["remainingItemCount"]) == (["a", "b"], 3)
    await make(api, "bb")
    second = await api("GET", CONFIG_MAPS, limit=2, **{"continue": first.body["metadata"]["continue"]})
    assert second.body["metadata"]["resourceVersion"] == first.body["metadata"]["resourceVersion"]
    last = await api("GET", CONFIG_MAPS, limit=5, **{"continue": second.body["metadata"]["continue"]})
    assert names(second) + names(last) == ["c", "d", "e"]
    assert "continue" not in last.body["metadata"]


async def test_an_old_page_token_has_expired(api, server):
    await make(api, "a", "b", "c")
    token = (await api("GET", CONFIG_MAPS, limit=1)).body["metadata"]["continue"]
    server.store.compact()
    expired = await api("GET", CONFIG_MAPS, **{"continue": token})
    assert (expired.code, expired.reason) == (410, "Expired")
    assert "You can start a new list without the continue parameter" in expired.body["message"]
    await make(api, "bb")
    rest = await api("GET", CONFIG_MAPS, **{"continue": expired.body["metadata"]["continue"]})
    assert names(rest) == ["b", "bb", "c"], "as it is now"
    assert (await api("GET", CONFIG_MAPS, **{"continue": "nonsense"})).code == 400


async def test_selectors_narrow_a_list(api):
    await make(api, "a", "b", "c")
    assert names(await api("GET", CONFIG_MAPS, labelSelector="name in (a,c)")) == ["a", "c"]
    assert names(await api("GET", CONFIG_MAPS, fieldSelector="metadata.name=b")) == ["b"]
    assert names(await api("GET", "/api/v1/configmaps", fieldSelector="metadata.name=b")) == ["b"]
    assert names(await api("GET", CONFIG_MAPS, fieldSelector="metadata.name!=b")) == ["a", "c"]
    assert (await api("GET", CONFIG_MAPS, fieldSelector="data.x=b")).code == 400


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"resourceVersion": "0"}, 200),
        ({"resourceVersion": "1", "resourceVersionMatch": "NotOlderThan"}, 200),
        ({"resourceVersion": "1", "resourceVersionMatch": "Exact"}, 200),
        ({"resourceVersion": "999999"}, 504),
        ({"resourceVersion": "x"}, 400),
        ({"resourceVersionMatch": "Exact"}, 422),
    ],
)
async def test_a_list_is_as_new_as_was_asked_for(api, query, code):
    await make(api, "a")
    assert (await api("GET", CONFIG_MAPS, **query)).code == code


async def test_an_exact_version_is_served_while_nothing_has_changed_since(api):
    version = (await make(api, "a"))["metadata"]["resourceVersion"]
    await api("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}})
    exact = await api("GET", CONFIG_MAPS, resourceVersion=version, resourceVersionMatch="Exact")
    assert exact.body["metadata"]["resourceVersion"] == version


async def test_tables_carry_metadata_objects_or_nothing(api):
    await make(api, "a")
    table = (await api("GET", CONFIG_MAPS, accept=TABLE)).body
    assert table["kind"] == "Table"
    assert table["rows"][0]["cells"][:2] == ["a", 0]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    whole = (await api("GET", f"{CONFIG_MAPS}/a", accept=TABLE, includeObject="Object")).body
    assert whole["rows"][0]["object"]["kind"] == "ConfigMap"
    bare = (await api("GET", CONFIG_MAPS, accept=TABLE, includeObject="None")).body
    assert "object" not in bare["rows"][0]


async def test_metadata_alone_can_be_listed(api):
    await make(api, "a")
    listed = (await api("GET", CONFIG_MAPS, accept=PARTIAL)).body
    assert listed["kind"] == "PartialObjectMetadataList"
    assert set(listed["items"][0]) == {"kind", "apiVersion", "metadata"}
    assert (await api("GET", f"{CONFIG_MAPS}/a", accept=PARTIAL)).body["kind"] == "PartialObjectMetadata"
