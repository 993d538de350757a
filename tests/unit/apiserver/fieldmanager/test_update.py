import copy
from datetime import UTC, datetime, timedelta

import pytest

from kaito.apiserver.fieldmanager import apply, update
from kaito.apiserver.schema import builtin_schema

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SCHEMA = builtin_schema("apps/v1", "Deployment")


def deployment(replicas, **metadata):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", **metadata},
        "spec": {"replicas": replicas},
    }


def changed(obj, **spec):
    result = copy.deepcopy(obj)
    result["spec"].update(spec)
    return result


def owners(obj):
    return {(item["manager"], item["operation"]): item["fieldsV1"] for item in obj["metadata"].get("managedFields", ())}


def test_a_create_gives_all_to_the_writer_but_the_structs_that_every_object_has():
    obj = update(None, deployment(1, labels={"a": "b"}), "kubectl-create", SCHEMA, NOW)
    assert owners(obj) == {
        ("kubectl-create", "Update"): {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:replicas": {}}}
    }


def test_a_change_takes_the_field_from_its_applier():
    obj = apply(None, deployment(1, labels={"a": "b"}), "alice", False, SCHEMA, NOW)
    obj = update(obj, changed(obj, replicas=2), "kubectl-scale", SCHEMA, LATER)
    assert owners(obj) == {
        ("alice", "Apply"): {"f:metadata": {"f:labels": {"f:a": {}}}},
        ("kubectl-scale", "Update"): {"f:spec": {"f:replicas": {}}},
    }
    assert obj["metadata"]["managedFields"][1]["time"] == "2026-01-02T04:04:05Z"


def test_a_write_without_a_change_leaves_the_record_alone():
    obj = update(None, deployment(1), "m", SCHEMA, NOW)
    assert update(obj, copy.deepcopy(obj), "other", SCHEMA, LATER) == obj


def test_a_removed_field_has_no_owner():
    obj = update(None, deployment(1, labels={"a": "b", "c": "d"}), "m", SCHEMA, NOW)
    after = copy.deepcopy(obj)
    del after["metadata"]["labels"]["c"]
    assert owners(update(obj, after, "n", SCHEMA, NOW))[("m", "Update")]["f:metadata"] == {
        "f:labels": {".": {}, "f:a": {}}
    }


def test_a_writer_that_forgets_managed_fields_does_not_erase_them():
    obj = apply(None, deployment(1), "alice", False, SCHEMA, NOW)
    after = changed(obj, paused=True)
    del after["metadata"]["managedFields"]
    assert set(owners(update(obj, after, "m", SCHEMA, NOW))) == {("alice", "Apply"), ("m", "Update")}


@pytest.mark.parametrize("nothing", [[], [{}]])
def test_an_empty_list_resets_ownership(nothing):
    obj = apply(None, deployment(1), "alice", False, SCHEMA, NOW)
    after = copy.deepcopy(obj)
    after["metadata"]["managedFields"] = nothing
    assert "managedFields" not in update(obj, after, "m", SCHEMA, NOW)["metadata"]


def test_a_writer_may_rename_managers_as_kubectl_does_when_it_moves_to_server_side_apply():
    obj = update(None, deployment(1), "kubectl-client-side-apply", SCHEMA, NOW)
    after = copy.deepcopy(obj)
    after["metadata"]["managedFields"][0].update(manager="kubectl", operation="Apply")
    obj = update(obj, after, "kubectl", SCHEMA, NOW)
    assert owners(obj) == {("kubectl", "Apply"): {"f:spec": {"f:replicas": {}}}}


def test_a_subresource_cannot_rewrite_managed_fields():
    obj = apply(None, deployment(1), "alice", False, SCHEMA, NOW)
    after = copy.deepcopy(obj)
    after["metadata"]["managedFields"] = []
    after["status"] = {"replicas": 1}
    result = update(obj, after, "m", SCHEMA, NOW, subresource="status")
    assert set(owners(result)) == {("alice", "Apply"), ("m", "Update")}
    assert result["metadata"]["managedFields"][1]["subresource"] == "status"


def test_an_item_changed_by_an_update_still_goes_with_its_applier():
    obj = apply(None, pods({"name": "a", "image": "1"}, {"name": "b"}), "alice", False, SCHEMA, NOW)
    after = copy.deepcopy(obj)
    after["spec"]["template"]["spec"]["containers"][0]["image"] = "2"
    obj = update(obj, after, "kubectl-set", SCHEMA, NOW)
    obj = apply(obj, pods({"name": "b"}), "alice", False, SCHEMA, NOW)
    assert obj["spec"]["template"]["spec"]["containers"] == [{"name": "b"}]


def pods(*containers):
    return {**deployment(1), "spec": {"template": {"spec": {"containers": list(containers)}}}}


def test_a_new_list_item_belongs_to_its_writer_as_such():
    obj = update(None, pods({"name": "a", "image": "1"}), "m", SCHEMA, NOW)
    containers = owners(obj)[("m", "Update")]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert containers['k:{"name":"a"}'] == {".": {}, "f:name": {}, "f:image": {}}


def test_what_kubectl_applied_on_the_clients_side_goes_when_it_moves_to_server_side_apply():
    first = pods({"name": "a", "image": "1"})
    obj = update(None, first, "kubectl-client-side-apply", SCHEMA, NOW)
    second = pods({"name": "a", "image": "1"}, {"name": "c", "image": "1"})
    obj = update(obj, {**obj, "spec": second["spec"]}, "kubectl-client-side-apply", SCHEMA, NOW)
    after = copy.deepcopy(obj)
    after["metadata"]["managedFields"][0].update(manager="kubectl", operation="Apply")
    obj = apply(update(obj, after, "kubectl", SCHEMA, NOW), pods({"name": "b"}), "kubectl", False, SCHEMA, NOW)
    assert obj["spec"]["template"]["spec"]["containers"] == [{"name": "b"}]


def test_an_item_that_stays_keeps_its_name():
    obj = update(None, pods({"name": "a", "image": "1"}), "m", SCHEMA, NOW)
    item = {"f:name": {}, "f:image": {}}
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"a"}': item}}}}}
    record = {"manager": "alice", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": fields}
    obj["metadata"]["managedFields"] = [record]
    obj = apply(obj, pods({"name": "b"}), "alice", False, SCHEMA, NOW)
    assert obj["spec"]["template"]["spec"]["containers"] == [{"name": "a"}, {"name": "b"}]
