"""Deletion: finalizers, preconditions, owners, collections, namespaces."""

from typing import Any

import pytest
from asking import Api


@pytest.fixture
def one(api: Api, config_maps: str) -> str:
    assert api.post(config_maps, {"metadata": {"name": "one", "labels": {"a": "b"}}}).code == 201
    return f"{config_maps}/one"


def owned(api: Api, config_maps: str, owner: str, **reference: Any) -> str:
    """Make a ConfigMap `child` that another owns; return its path."""
    uid = api.get(owner).body["metadata"]["uid"]
    references = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "uid": uid, **reference}]
    answer = api.post(config_maps, {"metadata": {"name": "child", "ownerReferences": references}})
    assert answer.code == 201
    return f"{config_maps}/child"


def test_a_deletion_answers_what_was_deleted(api: Api, one: str) -> None:
    answer = api.delete(one)
    assert (answer.code, answer.body["status"]) == (200, "Success")
    assert answer.body["details"]["name"] == "one"
    assert api.get(one).code == 404


def test_what_is_missing_cannot_be_deleted(api: Api, config_maps: str) -> None:
    answer = api.delete(f"{config_maps}/none")
    assert (answer.code, answer.message) == (404, 'configmaps "none" not found')


def test_a_finalizer_holds_an_object_until_it_is_removed(api: Api, one: str) -> None:
    api.patch(one, {"metadata": {"finalizers": ["example.org/hold"]}})
    first = api.delete(one)
    assert (first.code, first.body["kind"]) == (200, "ConfigMap")
    assert first.body["metadata"]["deletionTimestamp"]
    assert first.body["metadata"]["deletionGracePeriodSeconds"] == 0
    again = api.delete(one).body["metadata"]["deletionTimestamp"]
    assert again == first.body["metadata"]["deletionTimestamp"], "a second deletion is not a later one"
    api.patch(one, {"metadata": {"finalizers": None}})
    assert api.get(one).code == 404


def test_no_finalizer_is_added_to_what_is_being_deleted(api: Api, one: str) -> None:
    api.patch(one, {"metadata": {"finalizers": ["example.org/hold"]}})
    api.delete(one)
    answer = api.patch(one, {"metadata": {"finalizers": ["example.org/hold", "example.org/more"]}})
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert "no new finalizers can be added if the object is being deleted" in answer.message
    api.patch(one, {"metadata": {"finalizers": None}})


def test_the_last_finalizer_goes_with_a_whole_update_too(api: Api, one: str) -> None:
    api.patch(one, {"metadata": {"finalizers": ["example.org/hold"]}})
    body = api.delete(one).body
    del body["metadata"]["finalizers"]
    assert api.put(one, body).code == 200
    assert api.get(one).code == 404


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
def test_a_precondition_that_does_not_hold_is_a_conflict(api: Api, one: str, field: str) -> None:
    answer = api.delete(one, {"preconditions": {field: "1"}})
    assert (answer.code, answer.reason) == (409, "Conflict")
    assert api.get(one).code == 200


def test_a_precondition_that_holds_lets_it_go(api: Api, one: str) -> None:
    uid = api.get(one).body["metadata"]["uid"]
    assert api.delete(one, {"preconditions": {"uid": uid}}).code == 200


def test_a_dry_run_deletes_nothing(api: Api, one: str) -> None:
    assert api.delete(one, dryRun="All").code == 200
    assert api.get(one).code == 200


def test_a_collection_is_deleted_as_far_as_it_is_selected(api: Api, config_maps: str, one: str) -> None:
    api.post(config_maps, {"metadata": {"name": "two"}})
    answer = api.delete(config_maps, labelSelector="a=b")
    assert answer.code == 200
    assert api.get(one).code == 404
    assert api.get(f"{config_maps}/two").code == 200


def test_an_unknown_propagation_policy_is_refused(api: Api, one: str) -> None:
    answer = api.delete(one, {"propagationPolicy": "Sideways"})
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert answer.causes == [("FieldValueNotSupported", "propagationPolicy")]


def test_background_deletion_takes_the_owned_along_later(api: Api, config_maps: str, one: str) -> None:
    child = owned(api, config_maps, one)
    api.delete(one, {"propagationPolicy": "Background"})
    assert api.get(one).code == 404
    api.until(lambda: api.get(child).code, lambda code: code == 404)


def test_foreground_deletion_waits_for_what_blocks_it(api: Api, config_maps: str, one: str) -> None:
    child = owned(api, config_maps, one, blockOwnerDeletion=True)
    api.patch(child, {"metadata": {"finalizers": ["example.org/hold"]}})
    answer = api.delete(one, {"propagationPolicy": "Foreground"})
    assert answer.body["metadata"]["finalizers"] == ["foregroundDeletion"]
    api.until(lambda: api.get(child).body["metadata"], lambda metadata: "deletionTimestamp" in metadata)
    assert api.get(one).code == 200
    api.patch(child, {"metadata": {"finalizers": None}})
    api.until(lambda: api.get(one).code, lambda code: code == 404)


def test_orphaned_objects_lose_their_owner_and_stay(api: Api, config_maps: str, one: str) -> None:
    child = owned(api, config_maps, one)
    api.delete(one, {"propagationPolicy": "Orphan"})
    api.until(lambda: api.get(one).code, lambda code: code == 404)
    api.until(lambda: api.get(child).body["metadata"], lambda metadata: "ownerReferences" not in metadata)


def test_an_object_whose_owner_never_was_goes(api: Api, config_maps: str) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "uid": "11111111-2222-3333-4444-555555555555"}
    answer = api.post(config_maps, {"metadata": {"name": "child", "ownerReferences": [reference]}})
    assert answer.code == 201
    api.until(lambda: api.get(f"{config_maps}/child").code, lambda code: code == 404)


@pytest.mark.parametrize("missing", ["uid", "name", "kind"])
def test_an_owner_is_named_in_full(api: Api, config_maps: str, missing: str) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "uid": "u"}
    reference[missing] = ""
    answer = api.post(config_maps, {"metadata": {"name": "child", "ownerReferences": [reference]}})
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert f"metadata.ownerReferences.{missing}" in {field for _, field in answer.causes}


def test_two_controllers_are_one_too_many(api: Api, config_maps: str) -> None:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": name, "controller": True} for name in ("a", "b")
    ]
    answer = api.post(config_maps, {"metadata": {"name": "child", "ownerReferences": references}})
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert "Only one reference can have Controller set to true" in answer.message


def test_a_namespace_takes_its_objects_along_and_refuses_new_ones(api: Api, config_maps: str, one: str) -> None:
    namespace = config_maps.removesuffix("/configmaps")
    api.patch(one, {"metadata": {"finalizers": ["example.org/hold"]}})
    assert api.delete(namespace).body["status"] == {"phase": "Terminating"}
    answer = api.post(config_maps, {"metadata": {"name": "late"}})
    assert (answer.code, answer.reason) == (403, "Forbidden")
    assert "because it is being terminated" in answer.message
    assert ("NamespaceTerminating", "metadata.namespace") in answer.causes
    api.until(lambda: api.get(one).body["metadata"], lambda metadata: "deletionTimestamp" in metadata)
    api.patch(one, {"metadata": {"finalizers": None}})
    api.until(lambda: api.get(namespace).code, lambda code: code == 404)
