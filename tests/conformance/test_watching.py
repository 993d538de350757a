"""Watches and lists as a client's cache uses them: bookmarks, streaming lists, versions too old and too new."""

import itertools
from typing import Any

import pytest
from asking import Api

TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
STREAMING = {"sendInitialEvents": True, "allowWatchBookmarks": True, "resourceVersionMatch": "NotOlderThan"}


@pytest.fixture
def three(api: Api, config_maps: str) -> str:
    for name, labels in (("a", {"tier": "x"}), ("b", {"tier": "y"}), ("c", {"tier": "x"})):
        assert api.post(config_maps, {"metadata": {"name": name, "labels": labels}, "data": {"k": name}}).code == 201
    return config_maps


def version(api: Api, path: str) -> str:
    return str(api.get(path).body["metadata"]["resourceVersion"])


def brief(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


def initial(events: Any) -> list[dict[str, Any]]:
    """Events up to the bookmark that ends the initial ones, with it."""
    seen = []
    for event in events:
        seen.append(event)
        if event["type"] == "BOOKMARK":
            return seen
    raise AssertionError(f"no bookmark in {seen}")


@pytest.mark.parametrize("asked", ["", "0", "now"], ids=["no version", "version 0", "a version"])
def test_a_streaming_list_holds_all_and_is_at_least_as_new_as_asked(api: Api, three: str, asked: str) -> None:
    now = version(api, three)
    options = {**STREAMING, **({"resourceVersion": now if asked == "now" else asked} if asked else {})}
    with api.watch(three, labelSelector="tier", **options) as events:
        *added, bookmark = initial(events)
    assert sorted(map(brief, added)) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]
    assert bookmark["object"]["kind"] == "ConfigMap"
    metadata = bookmark["object"]["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(metadata["resourceVersion"]) >= int(now)


def test_a_streaming_list_goes_on_as_a_watch_from_its_bookmark(api: Api, three: str) -> None:
    with api.watch(three, labelSelector="tier=x", **STREAMING) as events:
        bookmark = initial(events)[-1]
        api.patch(f"{three}/a", {"data": {"k": "new"}})
        event = next(event for event in events if event["type"] != "BOOKMARK")
    assert brief(event) == ("MODIFIED", "a")
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in (bookmark, event)]
    assert versions[0] < versions[1]


def test_a_streaming_list_of_nothing_is_its_bookmark(api: Api, three: str) -> None:
    with api.watch(three, labelSelector="tier=none", **STREAMING) as events:
        assert [event["type"] for event in initial(events)] == ["BOOKMARK"]


def test_a_streaming_list_of_metadata_ends_with_a_bookmark_of_metadata(api: Api, three: str) -> None:
    with api.watch(three, labelSelector="tier=x", accept=METADATA, **STREAMING) as events:
        seen = initial(events)
    assert {event["object"]["kind"] for event in seen} == {"PartialObjectMetadata"}
    assert all("data" not in event["object"] for event in seen)
    assert seen[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no match": (
        {"watch": True, "sendInitialEvents": True},
        "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    ),
    "an exact match": (
        {"watch": True, "sendInitialEvents": True, "resourceVersionMatch": "Exact", "allowWatchBookmarks": True},
        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    ),
    "a match alone": (
        {"watch": True, "resourceVersionMatch": "NotOlderThan"},
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    ),
    "a list": (
        {"sendInitialEvents": True, "resourceVersionMatch": "NotOlderThan"},
        "sendInitialEvents is forbidden for list",
    ),
    "a match of no version": (
        {"resourceVersionMatch": "NotOlderThan"},
        "resourceVersionMatch is forbidden unless resourceVersion is provided",
    ),
    "an unknown match": ({"resourceVersionMatch": "Newest", "resourceVersion": "1"}, "Unsupported value"),
    "exactly version 0": (
        {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
        'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_options_that_contradict_each_other_are_refused(api: Api, three: str, case: str) -> None:
    options, said = WRONG[case]
    answer = api.get(three, **options)
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert said in answer.message


def test_a_match_beside_a_continue_token_is_refused(api: Api, three: str) -> None:
    token = api.get(three, limit=1).body["metadata"]["continue"]
    options = {"limit": 1, "continue": token, "resourceVersion": "1", "resourceVersionMatch": "Exact"}
    answer = api.get(three, **options)
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert "resourceVersionMatch is forbidden when continue is provided" in answer.message


@pytest.mark.parametrize("match", ["", "NotOlderThan"])
def test_version_0_is_any_version(api: Api, three: str, match: str) -> None:
    options = {"resourceVersion": "0", **({"resourceVersionMatch": match} if match else {})}
    api.until(  # any version: a real server's cache may be behind for a moment
        lambda: [item["metadata"]["name"] for item in api.get(three, labelSelector="tier", **options).body["items"]],
        lambda names: names == ["a", "b", "c"],
    )


def test_a_list_not_older_than_a_version_is_of_now(api: Api, three: str) -> None:
    then = version(api, three)
    api.delete(f"{three}/a")
    answer = api.get(three, labelSelector="tier", resourceVersion=then, resourceVersionMatch="NotOlderThan")
    assert [item["metadata"]["name"] for item in answer.body["items"]] == ["b", "c"]


def test_pages_of_an_exact_list_are_all_of_that_moment(api: Api, three: str) -> None:
    then = version(api, three)
    api.delete(f"{three}/c")
    options = {"limit": 2, "labelSelector": "tier", "resourceVersion": then, "resourceVersionMatch": "Exact"}
    page = api.get(three, **options)
    found = [item["metadata"]["name"] for item in page.body["items"]]
    options = {"limit": 2, "labelSelector": "tier", "continue": page.body["metadata"]["continue"]}
    page = api.get(three, **options)
    assert page.body["metadata"]["resourceVersion"] == then
    assert found + [item["metadata"]["name"] for item in page.body["items"]] == ["a", "b", "c"]


def test_a_limit_counts_what_the_selector_lets_through(api: Api, three: str) -> None:
    page = api.get(three, limit=2, labelSelector="tier=x")
    assert [item["metadata"]["name"] for item in page.body["items"]] == ["a", "c"]


def test_an_object_may_be_any_or_not_older_than_a_version(api: Api, three: str) -> None:
    made = api.get(f"{three}/a").body["metadata"]["resourceVersion"]
    assert api.get(f"{three}/a", resourceVersion=made).code == 200
    assert api.get(f"{three}/a", resourceVersion="0").code == 200


def test_an_object_of_the_future_is_waited_for_and_then_refused(api: Api, three: str) -> None:
    answer = api.get(f"{three}/a", resourceVersion="999999999")
    assert (answer.code, answer.reason) == (504, "Timeout")
    assert answer.body["details"] == {
        "causes": [{"message": "Too large resource version", "reason": "ResourceVersionTooLarge"}],
        "retryAfterSeconds": 1,
    }
    assert answer.headers["Retry-After"] == "1"


def test_a_watch_of_metadata_shows_no_more(api: Api, three: str) -> None:
    with api.watch(three, labelSelector="tier=x", accept=METADATA) as events:
        seen = list(itertools.islice(events, 2))
    assert {event["object"]["kind"] for event in seen} == {"PartialObjectMetadata"}
    assert all(set(event["object"]) == {"kind", "apiVersion", "metadata"} for event in seen)


def test_a_watch_of_tables_names_its_columns_once(api: Api, three: str) -> None:
    with api.watch(three, labelSelector="tier=x", accept=TABLE) as events:
        first, second = itertools.islice(events, 2)
    assert (first["type"], first["object"]["kind"]) == ("ADDED", "Table")
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert not second["object"].get("columnDefinitions")
    assert [row["cells"][:2] for row in second["object"]["rows"]] == [["c", 1]]


def test_a_bookmark_in_a_watch_of_tables_is_a_table_without_rows(api: Api, three: str) -> None:
    with api.watch(three, labelSelector="tier=x", accept=TABLE, **STREAMING) as events:
        bookmark = initial(events)[-1]
    assert bookmark["object"]["kind"] == "Table"
    assert bookmark["object"]["metadata"]["resourceVersion"]


def test_versions_in_a_watch_only_grow_and_a_deletion_has_its_own(api: Api, three: str) -> None:
    start = version(api, three)
    for number in range(20):
        api.patch(f"{three}/a", {"data": {"k": str(number)}})
    api.delete(f"{three}/a")
    with api.watch(three, resourceVersion=start) as events:
        seen = list(itertools.islice(events, 21))
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert [event["type"] for event in seen] == ["MODIFIED"] * 20 + ["DELETED"]
    assert versions == sorted(set(versions))
    with api.watch(three, resourceVersion=str(versions[10])) as events:
        assert next(events) == seen[11], "a watch may begin in the midst"


def test_who_deletes_is_told_the_version_of_the_deletion(api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services"
    made = api.post(path, {"metadata": {"name": "one"}, "spec": {"ports": [{"port": 80}]}}).body["metadata"]
    told = api.delete(f"{path}/one").body["metadata"]["resourceVersion"]
    with api.watch(path, resourceVersion=made["resourceVersion"]) as events:
        event = next(events)
    assert event["type"] == "DELETED"
    assert event["object"]["metadata"]["resourceVersion"] == told
    assert int(told) > int(made["resourceVersion"])
