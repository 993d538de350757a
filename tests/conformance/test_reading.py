"""Lists, pages, selectors and watches."""

import itertools
from typing import Any

import pytest
from asking import Api


@pytest.fixture
def three(api: Api, config_maps: str) -> str:
    for name, labels in (("a", {"tier": "x"}), ("b", {"tier": "y", "new": ""}), ("c", {})):
        assert api.post(config_maps, {"metadata": {"name": name, "labels": labels}}).code == 201
    return config_maps


def names(answer: Any) -> list[str]:
    found = (item["metadata"]["name"] for item in answer.body["items"])
    return [name for name in found if name != "kube-root-ca.crt"]


SELECTORS = {
    "tier=x": ["a"],
    "tier==y": ["b"],
    "tier!=x": ["b", "c"],
    "tier in (x,y)": ["a", "b"],
    "tier notin (x)": ["b", "c"],
    "tier": ["a", "b"],
    "!tier": ["c"],
    "tier,new": ["b"],
    "tier=x,tier=y": [],
    "": ["a", "b", "c"],
}


@pytest.mark.parametrize("selector", SELECTORS)
def test_a_label_selector(api: Api, three: str, selector: str) -> None:
    assert names(api.get(three, labelSelector=selector)) == SELECTORS[selector]


@pytest.mark.parametrize("selector", ["tier in x", "=x", "a b", "tier in (", "-a=b"])
def test_a_label_selector_that_is_none_is_a_bad_request(api: Api, three: str, selector: str) -> None:
    answer = api.get(three, labelSelector=selector)
    assert (answer.code, answer.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("selector", "wanted"), [("metadata.name=a", ["a"]), ("metadata.name!=a", ["b", "c"]), ("metadata.name==b", ["b"])]
)
def test_a_field_selector(api: Api, three: str, selector: str, wanted: list[str]) -> None:
    assert names(api.get(three, fieldSelector=selector)) == wanted


def test_a_field_that_cannot_be_selected_by_is_named(api: Api, three: str) -> None:
    answer = api.get(three, fieldSelector="data.x=1")
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert answer.message == '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"'


@pytest.mark.parametrize("path", ["/api/v1/nodes", "/api/v1/namespaces"])
def test_objects_without_a_namespace_are_not_selected_by_one(api: Api, path: str) -> None:
    answer = api.get(path, fieldSelector="metadata.namespace=default")
    assert answer.code == 400
    assert answer.body["message"].endswith("field label not supported: metadata.namespace")


def test_pages_follow_one_another_from_one_moment(api: Api, three: str) -> None:
    page = api.get(three, limit=1, labelSelector="tier")
    version, found = page.body["metadata"]["resourceVersion"], names(page)
    api.post(three, {"metadata": {"name": "aa", "labels": {"tier": "z"}}})
    while token := page.body["metadata"].get("continue"):
        page = api.get(three, limit=1, labelSelector="tier", **{"continue": token})
        assert page.body["metadata"]["resourceVersion"] == version
        found += names(page)
    assert found == ["a", "b"], "what came later is not in it"


def test_the_number_of_remaining_items_is_told_without_a_selector(api: Api, three: str) -> None:
    total = len(api.get(three).body["items"])
    assert api.get(three, limit=1).body["metadata"]["remainingItemCount"] == total - 1
    assert "remainingItemCount" not in api.get(three, limit=1, labelSelector="tier").body["metadata"]


def test_a_continue_token_that_is_none_is_a_bad_request(api: Api, three: str) -> None:
    answer = api.get(three, limit=1, **{"continue": "nonsense"})
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert "continue key is not valid" in answer.message


def test_a_list_says_what_it_is(api: Api, three: str) -> None:
    body = api.get(three).body
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert all("kind" not in item for item in body["items"])


def test_resource_version_match_needs_a_resource_version(api: Api, three: str) -> None:
    answer = api.get(three, resourceVersionMatch="Exact")
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert "resourceVersionMatch is forbidden unless resourceVersion is provided" in answer.message


def test_an_exact_list_shows_that_moment(api: Api, three: str) -> None:
    then = api.get(three).body["metadata"]["resourceVersion"]
    api.delete(f"{three}/a")
    answer = api.get(three, resourceVersion=then, resourceVersionMatch="Exact")
    assert names(answer) == ["a", "b", "c"]
    assert answer.body["metadata"]["resourceVersion"] == then


def test_a_version_of_the_future_is_waited_for_and_then_refused(api: Api, three: str) -> None:
    answer = api.get(three, resourceVersion="999999999", resourceVersionMatch="NotOlderThan")
    assert (answer.code, answer.reason) == (504, "Timeout")
    assert "Too large resource version: 999999999" in answer.message


def test_a_resource_version_that_is_no_number_is_refused(api: Api, three: str) -> None:
    answer = api.get(three, resourceVersion="x", resourceVersionMatch="Exact")
    assert answer.code in (400, 422)


def test_a_watch_begins_after_its_resource_version(api: Api, three: str) -> None:
    version = api.get(three).body["metadata"]["resourceVersion"]
    api.patch(f"{three}/a", {"data": {"k": "v"}})
    api.delete(f"{three}/b")
    with api.watch(three, resourceVersion=version) as events:
        seen = [(event["type"], event["object"]["metadata"]["name"]) for event in itertools.islice(events, 2)]
    assert seen == [("MODIFIED", "a"), ("DELETED", "b")]


def test_a_watch_without_a_version_begins_with_what_there_is(api: Api, three: str) -> None:
    with api.watch(three, labelSelector="tier") as events:
        seen = sorted((event["type"], event["object"]["metadata"]["name"]) for event in itertools.islice(events, 2))
    assert seen == [("ADDED", "a"), ("ADDED", "b")]


def test_an_object_that_leaves_a_selector_is_deleted_for_its_watcher(api: Api, three: str) -> None:
    version = api.get(three).body["metadata"]["resourceVersion"]
    api.patch(f"{three}/a", {"metadata": {"labels": {"tier": "y"}}})
    with api.watch(three, resourceVersion=version, labelSelector="tier=x") as events:
        left = next(events)
    with api.watch(three, resourceVersion=version, labelSelector="tier=y") as events:
        joined = next(events)
    assert (left["type"], left["object"]["metadata"]["labels"]) == ("DELETED", {"tier": "x"})
    assert (joined["type"], joined["object"]["metadata"]["labels"]) == ("ADDED", {"tier": "y"})


def test_a_deleted_object_carries_the_version_of_its_deletion(api: Api, three: str) -> None:
    before = api.get(f"{three}/a").body["metadata"]["resourceVersion"]
    version = api.get(three).body["metadata"]["resourceVersion"]
    api.delete(f"{three}/a")
    with api.watch(three, resourceVersion=version) as events:
        event = next(events)
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(before)


def test_a_streaming_list_ends_with_a_bookmark_that_says_so(api: Api, three: str) -> None:
    options = {"sendInitialEvents": True, "allowWatchBookmarks": True, "resourceVersionMatch": "NotOlderThan"}
    with api.watch(three, labelSelector="tier", **options) as events:
        seen = list(itertools.islice(events, 3))
    assert [event["type"] for event in seen] == ["ADDED", "ADDED", "BOOKMARK"]
    metadata = seen[-1]["object"]["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert metadata["resourceVersion"]


def test_initial_events_need_resource_version_match(api: Api, three: str) -> None:
    answer = api.get(three, watch=True, sendInitialEvents=True)
    assert (answer.code, answer.reason) == (422, "Invalid")


def test_a_watch_ends_after_its_timeout(api: Api, three: str) -> None:
    version = api.get(three).body["metadata"]["resourceVersion"]
    with api.watch(three, resourceVersion=version, timeoutSeconds=1) as events:
        assert list(events) == []


def test_one_object_is_watched_by_its_name(api: Api, three: str) -> None:
    with api.watch(three, fieldSelector="metadata.name=c") as events:
        assert next(events)["object"]["metadata"]["name"] == "c"


def test_only_metadata_on_request(api: Api, three: str) -> None:
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    body = api.get(three, accept=accept, labelSelector="tier=x").body
    assert body["kind"] == "PartialObjectMetadataList"
    assert set(body["items"][0]) == {"metadata"} | (set(body["items"][0]) & {"kind", "apiVersion"})


def test_a_table_on_request(api: Api, three: str) -> None:
    body = api.get(three, accept="application/json;as=Table;g=meta.k8s.io;v=v1", labelSelector="tier").body
    assert body["kind"] == "Table"
    assert [column["name"] for column in body["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][:2] for row in body["rows"]] == [["a", 0], ["b", 0]]
    assert body["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(("include", "kind"), [("None", None), ("Object", "ConfigMap")])
def test_a_table_carries_as_much_of_each_object_as_was_asked_for(
    api: Api, three: str, include: str, kind: str | None
) -> None:
    accept = "application/json;as=Table;g=meta.k8s.io;v=v1"
    row = api.get(three, accept=accept, includeObject=include, labelSelector="tier=x").body["rows"][0]
    assert (row.get("object") or {}).get("kind") == kind
