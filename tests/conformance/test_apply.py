"""Server-side apply: ownership, conflicts, what is taken away."""

from typing import Any

import pytest
from asking import APPLY, Api


def config_map(data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", **metadata}}
    return body if data is None else {**body, "data": data}


@pytest.fixture
def one(config_maps: str) -> str:
    return f"{config_maps}/one"


def fields_of(answer: Any, manager: str) -> Any:
    entries = answer.body["metadata"]["managedFields"]
    return next((entry["fieldsV1"] for entry in entries if entry["manager"] == manager), None)


def test_apply_creates_what_is_missing_with_201_and_then_updates_with_200(api: Api, one: str) -> None:
    assert api.apply(one, config_map({"a": "1"})).code == 201
    assert api.apply(one, config_map({"a": "2"})).code == 200


def test_apply_without_a_field_manager_is_refused(api: Api, one: str) -> None:
    answer = api.ask("PATCH", one, config_map(), kind=APPLY)
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert answer.causes == [("FieldValueRequired", "fieldManager")]


def test_an_unchanged_apply_changes_nothing(api: Api, one: str) -> None:
    first = api.apply(one, config_map({"a": "1"}))
    again = api.apply(one, config_map({"a": "1"}))
    assert again.body["metadata"] == first.body["metadata"]


def test_a_field_of_another_manager_is_a_conflict_that_names_both(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1"}), manager="first")
    answer = api.apply(one, config_map({"a": "2"}), manager="second")
    assert (answer.code, answer.reason) == (409, "Conflict")
    assert answer.message == 'Apply failed with 1 conflict: conflict with "first": .data.a'
    assert answer.causes == [("FieldManagerConflict", ".data.a")]
    assert answer.body["details"]["causes"][0]["message"] == 'conflict with "first"'


def test_two_conflicts_are_both_named(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1", "b": "1"}), manager="first")
    answer = api.apply(one, config_map({"a": "2", "b": "2"}), manager="second")
    assert answer.causes == [("FieldManagerConflict", ".data.a"), ("FieldManagerConflict", ".data.b")]
    assert answer.message.startswith('Apply failed with 2 conflicts: conflicts with "first":')


def test_force_takes_the_field_over(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1", "b": "1"}), manager="first")
    answer = api.apply(one, config_map({"a": "2"}), manager="second", force=True)
    assert answer.body["data"] == {"a": "2", "b": "1"}
    assert fields_of(answer, "first") == {"f:data": {"f:b": {}}}
    assert fields_of(answer, "second") == {"f:data": {"f:a": {}}}


def test_the_same_value_is_shared_without_a_conflict(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1"}), manager="first")
    answer = api.apply(one, config_map({"a": "1"}), manager="second")
    assert answer.code == 200
    assert fields_of(answer, "first") == fields_of(answer, "second") == {"f:data": {"f:a": {}}}


def test_a_shared_field_stays_when_one_owner_lets_it_go(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1"}), manager="first")
    api.apply(one, config_map({"a": "1"}), manager="second")
    answer = api.apply(one, config_map(), manager="first")
    assert answer.body["data"] == {"a": "1"}


def test_a_field_that_is_left_out_goes_if_nobody_else_owns_it(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1", "b": "1"}))
    assert api.apply(one, config_map({"a": "1"})).body["data"] == {"a": "1"}


def test_a_field_that_an_update_took_over_stays_when_it_is_left_out(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1", "b": "1"}))
    api.patch(one, {"data": {"b": "2"}}, fieldManager="editor")
    assert api.apply(one, config_map({"a": "1"})).body["data"] == {"a": "1", "b": "2"}


def test_an_update_takes_ownership_without_asking(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1"}), manager="first")
    answer = api.patch(one, {"data": {"a": "2"}}, fieldManager="editor")
    assert answer.code == 200
    assert fields_of(answer, "editor") == {"f:data": {"f:a": {}}}
    conflict = api.apply(one, config_map({"a": "3"}), manager="first")
    assert conflict.message == 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.a'


def test_a_manager_is_known_by_name_and_operation(api: Api, one: str) -> None:
    api.apply(one, config_map({"a": "1"}), manager="same")
    answer = api.patch(one, {"data": {"b": "2"}}, fieldManager="same")
    operations = [entry["operation"] for entry in answer.body["metadata"]["managedFields"]]
    assert operations == ["Apply", "Update"]


def test_a_uid_of_another_object_is_refused(api: Api, one: str) -> None:
    api.apply(one, config_map())
    answer = api.apply(one, config_map(uid="11111111-2222-3333-4444-555555555555"))
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert set(answer.causes) == {("FieldValueInvalid", "metadata.uid")}


def test_a_uid_with_no_object_is_a_conflict_and_creates_nothing(api: Api, one: str) -> None:
    answer = api.apply(one, config_map(uid="11111111-2222-3333-4444-555555555555"))
    assert (answer.code, answer.reason) == (409, "Conflict")
    assert api.get(one).code == 404


def test_an_old_resource_version_is_a_conflict(api: Api, one: str) -> None:
    first = api.apply(one, config_map({"a": "1"}))
    api.apply(one, config_map({"a": "2"}))
    answer = api.apply(one, config_map({"a": "3"}, resourceVersion=first.body["metadata"]["resourceVersion"]))
    assert (answer.code, answer.reason) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in answer.message


def test_managed_fields_in_the_body_are_refused(api: Api, one: str) -> None:
    answer = api.apply(one, config_map(managedFields=[{"manager": "me", "operation": "Apply"}]))
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert answer.message == "metadata.managedFields must be nil"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "Secret"}, "invalid object type: /v1, Kind=Secret"),
        ({"apiVersion": "v2"}, "invalid object type: /v2, Kind=ConfigMap"),
        ({"metadata": {"name": "two"}}, "the name of the object (two) does not match the name on the URL (one)"),
    ],
    ids=["kind", "version", "name"],
)
def test_a_body_for_another_object_is_refused(api: Api, one: str, change: dict[str, Any], said: str) -> None:
    answer = api.apply(one, {**config_map(), **change})
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert said in answer.message


SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "one"},
    "spec": {"selector": {"a": "b"}, "ports": [{"name": "http", "port": 80}]},
}


def test_items_of_a_keyed_list_belong_to_those_who_applied_them(api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/one"
    api.apply(path, SERVICE, manager="first")
    other = {**SERVICE, "spec": {"ports": [{"name": "more", "port": 81}]}}
    answer = api.apply(path, other, manager="second")
    assert [port["port"] for port in answer.body["spec"]["ports"]] == [80, 81]
    gone = api.apply(path, {**SERVICE, "spec": {"selector": {"a": "b"}}}, manager="first")
    assert [port["port"] for port in gone.body["spec"]["ports"]] == [81]


def test_a_repeated_key_in_a_list_is_refused(api: Api, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/one"
    body = {**SERVICE, "spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}}
    answer = api.apply(path, body)
    assert answer.code == 500
    assert "duplicate entries for key" in answer.message


def test_finalizers_are_a_set_that_managers_share(api: Api, one: str) -> None:
    api.apply(one, config_map(finalizers=["example.org/a"]), manager="first")
    answer = api.apply(one, config_map(finalizers=["example.org/b"]), manager="second")
    assert answer.code == 200, answer
    assert answer.body["metadata"]["finalizers"] == ["example.org/a", "example.org/b"]
    left = api.apply(one, config_map(), manager="first")
    assert left.body["metadata"]["finalizers"] == ["example.org/b"]
    api.apply(one, config_map(), manager="second")


def test_null_in_an_applied_object_is_no_value(api: Api, one: str) -> None:
    answer = api.apply(one, {**config_map(), "data": {"a": None}})
    assert answer.code in (200, 201)
    assert (answer.body.get("data") or {}) in ({}, {"a": ""})


def test_dry_run_shows_the_result_and_keeps_nothing(api: Api, one: str) -> None:
    assert api.apply(one, config_map({"a": "1"}), dryRun="All").code == 201
    assert api.get(one).code == 404
