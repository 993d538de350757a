import copy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaito.apiserver.fieldmanager import apply, update
from kaito.apiserver.schema import StructuralSchema, builtin_schema
from kaito.core.errors import ConflictError, InvalidError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DEPLOYMENT = builtin_schema("apps/v1", "Deployment")
CONFIG_MAP = builtin_schema("v1", "ConfigMap")
POD = builtin_schema("v1", "Pod")


def config_map(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def pod(*containers, **metadata):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", **metadata},
        "spec": {"containers": list(containers)},
    }


def apply_map(live, manager, *, force=False, now=NOW, **data):
    return apply(live, config_map(**data), manager, force, CONFIG_MAP, now)


def entry(obj, manager, subresource=None):
    found = [item for item in obj["metadata"].get("managedFields", ()) if item["manager"] == manager]
    return next((item for item in found if item.get("subresource") == subresource), None)


def fields(obj, manager):
    found = entry(obj, manager)
    return found["fieldsV1"] if found else None


def test_a_created_object_records_its_applier():
    obj = apply_map(None, "alice", a="1")
    assert obj == config_map(a="1") | {"metadata": obj["metadata"]}
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "alice",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-01-02T03:04:05Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }
    ]


def test_list_items_are_recorded_by_their_keys_with_defaults():
    obj = apply(None, pod({"name": "a", "ports": [{"containerPort": 80}]}), "alice", False, POD, NOW)
    assert fields(obj, "alice") == {
        "f:spec": {
            "f:containers": {
                'k:{"name":"a"}': {
                    ".": {},
                    "f:name": {},
                    "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                }
            }
        }
    }


def test_sets_and_atomic_lists_and_maps_are_recorded_as_such():
    applied = pod({"name": "a", "args": ["x"]}, finalizers=["f/1"])
    applied["spec"]["nodeSelector"] = {"a": "b"}
    recorded = fields(apply(None, applied, "alice", False, POD, NOW), "alice")
    assert recorded["f:metadata"] == {"f:finalizers": {'v:"f/1"': {}}}
    assert recorded["f:spec"]["f:nodeSelector"] == {}
    assert recorded["f:spec"]["f:containers"]['k:{"name":"a"}']["f:args"] == {}


def test_applying_the_same_again_changes_nothing_not_even_times():
    obj = apply_map(None, "alice", a="1")
    assert apply_map(obj, "alice", now=LATER, a="1") == obj


def test_a_change_moves_the_time():
    obj = apply_map(apply_map(None, "alice", a="1"), "alice", now=LATER, a="2")
    assert entry(obj, "alice")["time"] == "2026-01-02T04:04:05Z"
    assert obj["data"] == {"a": "2"}


def test_a_field_left_out_goes():
    obj = apply_map(apply_map(None, "alice", a="1", b="2"), "alice", a="1")
    assert obj["data"] == {"a": "1"}


def test_a_field_left_out_stays_while_another_owns_it():
    obj = apply_map(apply_map(None, "alice", a="1", b="2"), "bob", b="2")
    obj = apply_map(obj, "alice", a="1")
    assert obj["data"] == {"a": "1", "b": "2"}
    assert fields(obj, "alice") == {"f:data": {"f:a": {}}}
    assert fields(obj, "bob") == {"f:data": {"f:b": {}}}


def test_fields_nobody_applied_stay():
    live = config_map(mine="1")
    obj = apply_map(apply_map(live, "alice", a="1"), "alice")
    assert obj["data"] == {"mine": "1"}


def test_a_struct_goes_with_the_defaults_in_it_when_its_only_owner_drops_it():
    probe = {"name": "a", "readinessProbe": {"exec": {"command": ["x"]}}}
    obj = apply(None, pod(probe), "alice", False, POD, NOW)
    obj["spec"]["containers"][0]["readinessProbe"]["periodSeconds"] = 10
    obj = apply(obj, pod({"name": "a"}), "alice", False, POD, NOW)
    assert obj["spec"]["containers"] == [{"name": "a"}]


def test_a_list_item_left_out_goes_and_others_stay_in_place():
    live = pod({"name": "other", "image": "x"})
    obj = apply(live, pod({"name": "a"}, {"name": "b"}), "alice", False, POD, NOW)
    assert [item["name"] for item in obj["spec"]["containers"]] == ["other", "a", "b"]
    obj = apply(obj, pod({"name": "b"}), "alice", False, POD, NOW)
    assert [item["name"] for item in obj["spec"]["containers"]] == ["other", "b"]


def test_shared_items_take_the_order_of_the_configuration():
    live = apply(None, pod({"name": "a"}, {"name": "b"}, {"name": "c"}), "alice", False, POD, NOW)
    obj = apply(live, pod({"name": "c"}, {"name": "a"}, {"name": "b"}), "alice", False, POD, NOW)
    assert [item["name"] for item in obj["spec"]["containers"]] == ["c", "a", "b"]


def test_a_conflict_names_the_field_and_its_owner():
    obj = apply_map(None, "alice", a="1")
    with pytest.raises(ConflictError) as caught:
        apply_map(obj, "bob", a="2")
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "alice": .data.a'
    assert caught.value.status.details["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "alice"', "field": ".data.a"}
    ]


def test_several_conflicts_are_listed_per_manager():
    obj = apply_map(apply_map(None, "alice", a="1"), "carol", c="1")
    obj = update(obj, {**obj, "data": {**obj["data"], "b": "1"}}, "kubectl-edit", CONFIG_MAP, NOW)
    with pytest.raises(ConflictError) as caught:
        apply_map(obj, "bob", a="2", b="2", c="2")
    assert caught.value.message == (
        "Apply failed with 3 conflicts: "
        'conflicts with "alice":\n- .data.a\n'
        'conflicts with "carol":\n- .data.c\n'
        'conflicts with "kubectl-edit" using v1:\n- .data.b'
    )


def test_force_takes_the_field_over():
    obj = apply_map(apply_map(None, "alice", a="1", b="1"), "bob", force=True, a="2")
    assert obj["data"] == {"a": "2", "b": "1"}
    assert fields(obj, "alice") == {"f:data": {"f:b": {}}}
    assert fields(obj, "bob") == {"f:data": {"f:a": {}}}


def test_the_same_value_is_shared_without_conflict():
    obj = apply_map(apply_map(None, "alice", a="1"), "bob", a="1")
    assert fields(obj, "alice") == fields(obj, "bob") == {"f:data": {"f:a": {}}}


def test_a_manager_left_with_nothing_is_forgotten():
    obj = apply_map(apply_map(None, "alice", a="1"), "bob", force=True, a="2")
    assert entry(obj, "alice") is None


def test_quantities_are_compared_by_meaning():
    limits = {"resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}
    obj = apply(None, pod({"name": "a", **limits}), "alice", False, POD, NOW)
    assert obj["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}
    assert apply(obj, pod({"name": "a", **limits}), "bob", False, POD, NOW)["spec"] == obj["spec"]


def test_identity_and_server_fields_have_no_owner():
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n", "uid": "u"}}
    assert "managedFields" not in apply(None, applied, "alice", False, CONFIG_MAP, NOW)["metadata"]


def test_a_configuration_may_not_carry_managed_fields():
    applied = config_map()
    applied["metadata"]["managedFields"] = [{"manager": "x"}]
    with pytest.raises(InvalidError, match=r"metadata\.managedFields must be nil"):
        apply(None, applied, "alice", False, CONFIG_MAP, NOW)


def test_repeated_items_of_the_live_object_survive():
    live = pod({"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]})
    obj = apply(live, pod({"name": "a", "image": "i"}), "alice", False, POD, NOW)
    assert obj["spec"]["containers"][0]["env"] == live["spec"]["containers"][0]["env"]


def test_the_main_resource_and_a_subresource_are_two_managers():
    obj = apply(None, pod({"name": "a"}), "alice", False, POD, NOW)
    status = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": "Running"}}
    obj = apply(obj, status, "alice", False, POD, NOW, subresource="status")
    assert fields(obj, "alice")["f:spec"]
    assert entry(obj, "alice", "status")["fieldsV1"] == {"f:status": {"f:phase": {}}}


def test_through_the_status_subresource_nothing_else_is_owned():
    obj = apply(None, pod({"name": "a"}), "alice", False, POD, NOW)
    whole = {**pod({"name": "b"}, labels={"a": "b"}), "status": {"phase": "Running"}}
    obj = apply(obj, whole, "bob", False, POD, NOW, "status")
    assert fields(obj, "alice") is not None
    assert entry(obj, "bob", "status")["fieldsV1"] == {"f:status": {"f:phase": {}}}


def test_what_belongs_to_a_subresource_comes_to_no_owner():
    whole = {**pod({"name": "a"}), "status": {"phase": "Running"}}
    obj = apply(None, whole, "alice", False, POD, NOW, ignored=("status",))
    assert "f:status" not in fields(obj, "alice")


def test_a_garbled_record_is_dropped():
    live = config_map(a="1")
    live["metadata"]["managedFields"] = [{"manager": "x", "operation": "Apply", "fieldsV1": {"spec": 1}}]
    applied = apply_map(live, "alice", a="2", force=True)
    assert [item["manager"] for item in applied["metadata"]["managedFields"]] == ["alice", "before-first-apply"]


def test_whoever_wrote_an_object_of_which_no_account_was_kept_is_one_manager():
    applied = apply_map(config_map(a="1", b="1"), "alice", a="1")
    assert fields(applied, "before-first-apply") == {"f:data": {".": {}, "f:a": {}, "f:b": {}}}
    with pytest.raises(ConflictError, match='conflict with "before-first-apply" using v1'):
        apply_map(config_map(a="1"), "alice", a="2")


def test_null_takes_the_place_of_a_value_but_not_of_a_map():
    live = apply_map(None, "alice", a="1")
    both = {**config_map(), "data": None, "immutable": None}
    applied = apply({**live, "immutable": False}, both, "bob", False, CONFIG_MAP, NOW)
    assert (applied["data"], applied["immutable"]) == ({"a": "1"}, None)


def test_custom_kinds_have_granular_maps_and_atomic_lists_unless_told_otherwise():
    schema = StructuralSchema.from_openapi(
        {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {"list": {"type": "array", "items": {"type": "string"}}},
                    "x-kubernetes-preserve-unknown-fields": True,
                }
            },
        }
    )
    obj = {"apiVersion": "x/v1", "kind": "X", "spec": {"list": ["a"], "free": {"deep": {"er": 1}}}}
    assert fields(apply(None, obj, "alice", False, schema, NOW), "alice") == {
        "f:spec": {"f:list": {}, "f:free": {".": {}, "f:deep": {".": {}, "f:er": {}}}}
    }


KEYS = st.sampled_from("abc")
LABELS = st.frozensets(KEYS)
CONTAINERS = st.dictionaries(KEYS, st.booleans(), max_size=3)
APPLIES = st.lists(st.tuples(st.sampled_from(["alice", "bob"]), LABELS, CONTAINERS), min_size=1, max_size=5)
LAWS = settings(max_examples=50)


def workload(labels, containers):
    """A pod that, where it has no containers, does not say so either: an empty list is one more field."""
    items = ({"name": name, **({"image": "i"} if with_image else {})} for name, with_image in containers.items())
    wanted = pod(*items, labels=dict.fromkeys(labels, "1"))
    return wanted if containers else {**wanted, "spec": {}}


def without_empty(value):
    """What an object holds, less maps and lists that lost their last part: null for one apply, empty for the next."""
    if isinstance(value, dict):
        return {name: without_empty(item) for name, item in value.items() if item not in (None, {}, [])}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


def run(applies):
    """Appliers that agree on every value, so that nothing is ever taken by force."""
    obj, last = None, {}
    for manager, labels, containers in applies:
        obj = apply(obj, workload(labels, containers), manager, False, POD, NOW)
        last[manager] = (labels, containers)
    return obj, last


@LAWS
@given(APPLIES)
def test_applying_the_last_configuration_again_is_a_no_op(applies):
    obj, _ = run(applies)
    manager, labels, containers = applies[-1]
    again = apply(copy.deepcopy(obj), workload(labels, containers), manager, True, POD, LATER)
    assert without_empty(again) == without_empty(obj)


@LAWS
@given(APPLIES)
def test_the_object_holds_exactly_what_its_appliers_want_now(applies):
    obj, last = run(applies)
    found = {item["name"]: item for item in (obj.get("spec") or {}).get("containers") or ()}
    assert set(obj["metadata"].get("labels") or {}) == set().union(*(labels for labels, _ in last.values()))
    assert set(found) == set().union(*(containers for _, containers in last.values()))
    for name, item in found.items():
        wants_image = any(containers.get(name) for _, containers in last.values())
        assert item == ({"name": name, "image": "i"} if wants_image else {"name": name})


@LAWS
@given(APPLIES, LABELS, CONTAINERS)
def test_an_apply_by_force_never_costs_another_manager_a_field_it_did_not_name(applies, labels, containers):
    obj, last = run(applies)
    config = workload(labels, containers)
    config["metadata"]["labels"] = dict.fromkeys(labels, "other")
    obj = apply(obj, config, "carol", True, POD, NOW)
    for wanted, boxes in last.values():
        assert wanted <= set(obj["metadata"].get("labels", {}))
        assert set(boxes) <= {item["name"] for item in obj["spec"].get("containers", ())}
