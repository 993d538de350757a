"""Merge, JSON and strategic patches, and what a write may not touch."""

from typing import Any

import pytest
from asking import JSON_PATCH, MERGE, STRATEGIC, Api

POD_SPEC = {"containers": [{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}]}
DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "one", "labels": {"app": "one"}},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "one"}},
        "template": {"metadata": {"labels": {"app": "one"}}, "spec": POD_SPEC},
    },
}


@pytest.fixture
def one(api: Api, config_maps: str) -> str:
    assert api.post(config_maps, {"metadata": {"name": "one"}, "data": {"a": "1", "b": "2"}}).code == 201
    return f"{config_maps}/one"


@pytest.fixture
def deployment(api: Api, namespace: str) -> str:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert api.post(path, DEPLOYMENT).code == 201
    return f"{path}/one"


def test_a_merge_patch_sets_and_with_null_removes(api: Api, one: str) -> None:
    answer = api.patch(one, {"data": {"a": None, "c": "3"}})
    assert answer.body["data"] == {"b": "2", "c": "3"}


def test_a_merge_patch_replaces_lists(api: Api, deployment: str) -> None:
    container = {"name": "b", "image": "b:1"}
    answer = api.patch(deployment, {"spec": {"template": {"spec": {"containers": [container]}}}})
    assert [one["name"] for one in answer.body["spec"]["template"]["spec"]["containers"]] == ["b"]


def test_a_strategic_patch_merges_lists_by_their_key(api: Api, deployment: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:1"}]}}}}
    answer = api.patch(deployment, patch, STRATEGIC)
    assert [one["name"] for one in answer.body["spec"]["template"]["spec"]["containers"]] == ["b", "a"]


def test_a_strategic_patch_changes_one_item_and_keeps_the_rest_of_it(api: Api, deployment: str) -> None:
    env = [{"name": "Y", "value": "2"}]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "a", "env": env}]}}}}
    container = api.patch(deployment, patch, STRATEGIC).body["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "a:1"
    assert [entry["name"] for entry in container["env"]] == ["Y", "X"]


def test_a_strategic_patch_deletes_an_item(api: Api, deployment: str) -> None:
    env = [{"name": "X", "$patch": "delete"}]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "a", "env": env}]}}}}
    container = api.patch(deployment, patch, STRATEGIC).body["spec"]["template"]["spec"]["containers"][0]
    assert not container.get("env")


def test_a_strategic_patch_replaces_a_map_when_told_to(api: Api, one: str) -> None:
    answer = api.patch(one, {"data": {"$patch": "replace", "z": "9"}}, STRATEGIC)
    assert answer.body["data"] == {"z": "9"}


def test_a_strategic_patch_adds_to_a_set_in_front(api: Api, one: str) -> None:
    api.patch(one, {"metadata": {"finalizers": ["example.org/a"]}})
    answer = api.patch(one, {"metadata": {"finalizers": ["example.org/c"]}}, STRATEGIC)
    assert answer.body["metadata"]["finalizers"] == ["example.org/c", "example.org/a"]
    api.patch(one, {"metadata": {"finalizers": None}})


def test_a_strategic_patch_takes_values_out_of_a_set(api: Api, one: str) -> None:
    api.patch(one, {"metadata": {"finalizers": ["example.org/a", "example.org/b"]}})
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.org/a"]}}
    assert api.patch(one, patch, STRATEGIC).body["metadata"]["finalizers"] == ["example.org/b"]
    api.patch(one, {"metadata": {"finalizers": None}})


JSON_PATCHES: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    "add": ([{"op": "add", "path": "/data/c", "value": "3"}], {"a": "1", "b": "2", "c": "3"}),
    "replace": ([{"op": "replace", "path": "/data/a", "value": "9"}], {"a": "9", "b": "2"}),
    "replace what is missing": ([{"op": "replace", "path": "/data/c", "value": "3"}], {"a": "1", "b": "2", "c": "3"}),
    "remove": ([{"op": "remove", "path": "/data/a"}], {"b": "2"}),
    "move": ([{"op": "move", "from": "/data/a", "path": "/data/c"}], {"b": "2", "c": "1"}),
    "copy": ([{"op": "copy", "from": "/data/a", "path": "/data/c"}], {"a": "1", "b": "2", "c": "1"}),
    "a test that holds": (
        [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "remove", "path": "/data/a"}],
        {"b": "2"},
    ),
}


@pytest.mark.parametrize("case", JSON_PATCHES)
def test_a_json_patch(api: Api, one: str, case: str) -> None:
    operations, wanted = JSON_PATCHES[case]
    answer = api.patch(one, operations, JSON_PATCH)
    assert (answer.code, answer.body["data"]) == (200, wanted)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/a", "value": "9"},
        {"op": "remove", "path": "/data/z"},
    ],
    ids=["test", "remove"],
)
def test_a_json_patch_that_does_not_fit_is_invalid(api: Api, one: str, operation: dict[str, Any]) -> None:
    answer = api.patch(one, [operation], JSON_PATCH)
    assert (answer.code, answer.reason) == (422, "Invalid")


@pytest.mark.parametrize(("kind", "body"), [(MERGE, b"{"), (JSON_PATCH, b"{}"), (STRATEGIC, b"[]")])
def test_a_patch_that_is_none_is_a_bad_request(api: Api, one: str, kind: str, body: bytes) -> None:
    answer = api.patch(one, body, kind)
    assert (answer.code, answer.reason) == (400, "BadRequest")


def test_an_unknown_patch_type_is_not_supported(api: Api, one: str) -> None:
    answer = api.patch(one, {}, "application/json")
    assert (answer.code, answer.reason) == (415, "UnsupportedMediaType")


def test_a_patch_of_what_is_missing_is_not_found(api: Api, config_maps: str) -> None:
    answer = api.patch(f"{config_maps}/none", {})
    assert (answer.code, answer.message) == (404, 'configmaps "none" not found')


def test_a_patch_with_an_old_resource_version_conflicts(api: Api, one: str) -> None:
    version = api.get(one).body["metadata"]["resourceVersion"]
    api.patch(one, {"data": {"a": "2"}})
    answer = api.patch(one, {"metadata": {"resourceVersion": version}, "data": {"a": "3"}})
    assert (answer.code, answer.reason) == (409, "Conflict")


def test_an_update_without_a_resource_version_overwrites(api: Api, one: str) -> None:
    answer = api.put(one, {"metadata": {"name": "one"}, "data": {"z": "1"}})
    assert (answer.code, answer.body["data"]) == (200, {"z": "1"})


def test_an_update_with_an_old_resource_version_conflicts_with_the_usual_words(api: Api, one: str) -> None:
    old = api.get(one).body
    api.patch(one, {"data": {"a": "2"}})
    answer = api.put(one, old)
    assert (answer.code, answer.reason) == (409, "Conflict")
    assert answer.message == (
        'Operation cannot be fulfilled on configmaps "one": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_an_update_under_another_name_is_refused(api: Api, one: str) -> None:
    answer = api.put(one, {"metadata": {"name": "two"}})
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert answer.message == "the name of the object (two) does not match the name on the URL (one)"


def test_an_update_of_what_is_missing_is_not_found(api: Api, config_maps: str) -> None:
    answer = api.put(f"{config_maps}/none", {"metadata": {"name": "none"}})
    assert (answer.code, answer.reason) == (404, "NotFound")


def test_a_status_written_with_the_object_is_passed_over(api: Api, deployment: str) -> None:
    answer = api.patch(deployment, {"status": {"replicas": 7}})
    assert answer.body.get("status", {}).get("replicas") != 7


def test_a_spec_written_with_the_status_is_passed_over(api: Api, deployment: str) -> None:
    body = {"spec": {"replicas": 7}, "status": {"observedGeneration": 1, "replicas": 3}}
    answer = api.patch(f"{deployment}/status", body)
    assert (answer.body["spec"]["replicas"], answer.body["status"]["replicas"]) == (0, 3)


def test_the_generation_counts_changes_of_the_spec_alone(api: Api, deployment: str) -> None:
    assert api.get(deployment).body["metadata"]["generation"] == 1
    assert api.patch(deployment, {"metadata": {"labels": {"x": "y"}}}).body["metadata"]["generation"] == 1
    assert api.patch(deployment, {"spec": {"paused": True}}).body["metadata"]["generation"] == 2


def test_the_selector_of_a_deployment_cannot_change(api: Api, deployment: str) -> None:
    labels = {"app": "two"}
    answer = api.patch(
        deployment, {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    )
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert ("FieldValueInvalid", "spec.selector") in answer.causes
    assert "field is immutable" in answer.message


@pytest.mark.parametrize("field", ["uid", "creationTimestamp", "namespace"])
def test_identity_cannot_change(api: Api, one: str, field: str) -> None:
    before = api.get(one).body["metadata"][field]
    value = {"uid": "u", "creationTimestamp": "2020-01-01T00:00:00Z", "namespace": "other"}[field]
    answer = api.patch(one, {"metadata": {field: value}})
    if field == "creationTimestamp":
        assert answer.body["metadata"][field] == before
    elif field == "uid":
        assert (answer.code, set(answer.causes)) == (422, {("FieldValueInvalid", "metadata.uid")})
    else:
        assert (answer.code, answer.reason) == (400, "BadRequest")


def test_scale_reads_and_writes_the_replicas(api: Api, deployment: str) -> None:
    scale = api.get(f"{deployment}/scale").body
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {}, "app=one")
    answer = api.patch(f"{deployment}/scale", {"spec": {"replicas": 2}})
    assert (answer.code, answer.body["spec"]["replicas"]) == (200, 2)
    assert api.get(deployment).body["spec"]["replicas"] == 2


def test_a_copy_of_what_is_missing_is_null(api: Api, one: str) -> None:
    answer = api.patch(one, [{"op": "copy", "from": "/data/z", "path": "/data/a"}], JSON_PATCH)
    assert (answer.code, answer.body["data"]["a"]) == (200, "")


@pytest.mark.parametrize(
    ("kind", "change"), [(MERGE, {"metadata": None}), (JSON_PATCH, [{"op": "remove", "path": "/metadata/name"}])]
)
def test_a_patch_must_leave_the_name(api: Api, one: str, kind: str, change: Any) -> None:
    answer = api.patch(one, change, kind)
    assert answer.code == 400
    said = "the name of the object (one based on URL) was undeterminable: name must be provided"
    assert answer.message == said


@pytest.mark.parametrize(("kind", "change"), [(MERGE, {"data": 5}), (STRATEGIC, {"data": 5})])
def test_a_patch_that_leaves_a_value_of_another_type_is_invalid(api: Api, one: str, kind: str, change: Any) -> None:
    answer = api.patch(one, change, kind)
    assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", "patch")])


def test_a_directive_that_is_none_is_no_patch(api: Api, one: str) -> None:
    answer = api.patch(one, {"data": {"$patch": "merge"}}, STRATEGIC)
    assert (answer.code, answer.reason) == (500, "")
    assert answer.message.startswith("unknown patch type: merge in map: ")


def test_what_is_missing_is_null_to_a_test(api: Api, one: str) -> None:
    assert api.patch(one, [{"op": "test", "path": "/data/z", "value": None}], JSON_PATCH).code == 200
    assert api.patch(one, [{"op": "test", "path": "/data/z", "value": ""}], JSON_PATCH).code == 422


def test_an_operation_that_is_none_is_invalid(api: Api, one: str) -> None:
    answer = api.patch(one, [{"op": "frob", "path": "/data"}], JSON_PATCH)
    assert (answer.code, answer.reason) == (422, "Invalid")


def test_an_item_without_its_merge_key_cannot_be_merged(api: Api, deployment: str) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"image": "i:2"}]}}}}
    answer = api.patch(deployment, change, STRATEGIC)
    assert (answer.code, answer.reason) == (500, "")
    assert answer.message.endswith("does not contain declared merge key: name")
