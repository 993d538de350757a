"""Who owns which fields after each kind of write."""

from typing import Any

import pytest
from asking import APPLY, JSON_PATCH, MERGE, STRATEGIC, Answer, Api

Owners = dict[tuple[str, str, str], Any]

POD_SPEC = {
    "schedulerName": "nobody",
    "automountServiceAccountToken": False,
    "containers": [{"name": "c", "image": "i:1"}],
}
APPLIED_POD_SPEC = {
    "f:schedulerName": {},
    "f:automountServiceAccountToken": {},
    "f:containers": {'k:{"name":"c"}': {".": {}, "f:name": {}, "f:image": {}}},
}
CREATED_POD_SPEC = {
    "f:schedulerName": {},
    "f:automountServiceAccountToken": {},
    "f:dnsPolicy": {},
    "f:restartPolicy": {},
    "f:securityContext": {},
    "f:terminationGracePeriodSeconds": {},
    "f:containers": {
        'k:{"name":"c"}': {
            ".": {},
            "f:name": {},
            "f:image": {},
            "f:imagePullPolicy": {},
            "f:resources": {},
            "f:terminationMessagePath": {},
            "f:terminationMessagePolicy": {},
        }
    },
}


def owners(answer: Answer) -> Owners:
    """Fields by manager, operation and subresource; what a server's own controllers write comes at any time."""
    assert answer.code in (200, 201), answer
    entries = answer.body["metadata"].get("managedFields", ())
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in entries
        if entry["manager"] not in ("kube-controller-manager", "kaito-local")
    }


def deployment(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "one"}, "spec": spec}


def named(api_version: str, kind: str, **body: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, **body, "metadata": {"name": "one", **body.get("metadata", {})}}


def config_map(**body: Any) -> dict[str, Any]:
    return named("v1", "ConfigMap", **body)


@pytest.fixture
def one(config_maps: str) -> str:
    return f"{config_maps}/one"


@pytest.fixture
def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


@pytest.fixture
def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def test_a_new_config_map_is_all_its_creators(api: Api, config_maps: str) -> None:
    answer = api.post(config_maps, config_map(data={"a": "1"}, metadata={"labels": {"l": "1"}}), fieldManager="me")
    fields = {"f:data": {".": {}, "f:a": {}}, "f:metadata": {"f:labels": {".": {}, "f:l": {}}}}
    assert owners(answer) == {("me", "Update", ""): fields}


def test_a_creator_without_a_name_is_its_user_agent(api: Api, config_maps: str) -> None:
    (manager, operation, _), *_ = owners(api.post(config_maps, config_map(data={"a": "1"})))
    assert (manager, operation) == ("python-httpx", "Update")


def test_a_new_pod_is_its_creators_with_the_defaults_but_not_what_admission_adds(api: Api, pods: str) -> None:
    body = named("v1", "Pod", spec=POD_SPEC, metadata={"labels": {"a": "b"}})
    fields = {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {**CREATED_POD_SPEC, "f:enableServiceLinks": {}},
    }
    assert owners(api.post(pods, body, fieldManager="me")) == {("me", "Update", ""): fields}


def test_a_new_deployment_is_its_creators_with_the_defaults(api: Api, deployments: str) -> None:
    fields = {
        "f:progressDeadlineSeconds": {},
        "f:replicas": {},
        "f:revisionHistoryLimit": {},
        "f:selector": {},
        "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {}},
        "f:template": {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": CREATED_POD_SPEC},
    }
    answer = api.post(deployments, deployment(), fieldManager="me")
    assert owners(answer) == {("me", "Update", ""): {"f:spec": fields}}


def test_an_applier_owns_what_it_wrote_and_no_default(api: Api, deployments: str) -> None:
    fields = {
        "f:selector": {},
        "f:template": {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": APPLIED_POD_SPEC},
    }
    assert owners(api.apply(f"{deployments}/one", deployment())) == {("me", "Apply", ""): {"f:spec": fields}}


def test_labels_and_annotations_are_owned_one_by_one(api: Api, one: str) -> None:
    api.apply(one, config_map(metadata={"labels": {"a": "1"}, "annotations": {"a": "1"}}), "first")
    answer = api.apply(one, config_map(metadata={"labels": {"b": "1"}, "annotations": {"b": "1"}}), "second")
    assert owners(answer) == {
        ("first", "Apply", ""): {"f:metadata": {"f:labels": {"f:a": {}}, "f:annotations": {"f:a": {}}}},
        ("second", "Apply", ""): {"f:metadata": {"f:labels": {"f:b": {}}, "f:annotations": {"f:b": {}}}},
    }
    answer = api.apply(one, config_map(metadata={"labels": {}}), "first")
    assert owners(answer)["first", "Apply", ""] == {"f:metadata": {"f:labels": {}}}


def test_an_applier_of_nothing_owns_nothing(api: Api, one: str) -> None:
    assert owners(api.apply(one, config_map())) == {}


def test_null_is_owned_and_takes_nothing_from_another(api: Api, one: str) -> None:
    api.apply(one, config_map(data={"a": "1"}), "first")
    answer = api.apply(one, config_map(data=None), "second")
    assert answer.body["data"] == {"a": "1"}
    assert owners(answer)["second", "Apply", ""] == {"f:data": {}}


def test_an_apply_that_changes_no_field_has_no_time(api: Api, one: str) -> None:
    api.apply(one, config_map(data={"a": "1"}), "first")
    entries = api.apply(one, config_map(data={"a": "1"}), "second").body["metadata"]["managedFields"]
    assert [(entry["manager"], "time" in entry) for entry in entries] == [("second", False), ("first", True)]


def test_ports_are_owned_by_number_and_protocol(api: Api, namespace: str) -> None:
    service = f"/api/v1/namespaces/{namespace}/services/one"

    def ports(*items: dict[str, Any]) -> dict[str, Any]:
        return named("v1", "Service", spec={"ports": list(items)})

    answer = api.apply(service, ports({"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}), "first")
    tcp = {'k:{"port":53,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}}
    udp = {'k:{"port":53,"protocol":"UDP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}}
    assert owners(answer) == {("first", "Apply", ""): {"f:spec": {"f:ports": {**tcp, **udp}}}}
    answer = api.apply(service, ports({"name": "more", "port": 81}), "second")
    assert [port["port"] for port in answer.body["spec"]["ports"]] == [53, 53, 81]
    answer = api.apply(service, ports({"name": "other", "port": 53}), "third")
    assert answer.causes == [("FieldManagerConflict", '.spec.ports[port=53,protocol="TCP"].name')]


def test_containers_and_their_variables_are_owned_by_name(api: Api, deployments: str) -> None:
    api.apply(f"{deployments}/one", deployment(), "first")
    container = {"name": "c", "env": [{"name": "E", "value": "1"}]}
    body = named("apps/v1", "Deployment", spec={"template": {"spec": {"containers": [container]}}})
    fields = {".": {}, "f:name": {}, "f:env": {'k:{"name":"E"}': {".": {}, "f:name": {}, "f:value": {}}}}
    assert owners(api.apply(f"{deployments}/one", body, "second"))["second", "Apply", ""] == {
        "f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"c"}': fields}}}}
    }


def test_finalizers_are_owned_by_value_and_owner_references_by_uid(api: Api, one: str) -> None:
    uid = "11111111-2222-3333-4444-555555555555"
    metadata = {
        "finalizers": ["example.org/a"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": uid}],
    }
    answer = api.apply(one, config_map(metadata=metadata), dryRun="All")
    assert owners(answer)["me", "Apply", ""] == {
        "f:metadata": {
            "f:finalizers": {'v:"example.org/a"': {}},
            "f:ownerReferences": {f'k:{{"uid":"{uid}"}}': {}},
        }
    }


@pytest.mark.parametrize(
    ("field", "change"),
    [
        (".spec.selector", {"selector": {"matchLabels": {"x": "y"}}}),
        (
            '.spec.template.spec.containers[name="c"].args',
            {"template": {"spec": {"containers": [{"name": "c", "args": ["a"]}]}}},
        ),
    ],
)
def test_selectors_and_arguments_are_taken_as_a_whole(
    api: Api, deployments: str, field: str, change: dict[str, Any]
) -> None:
    first = deployment()
    first["spec"]["template"]["spec"] = {**POD_SPEC, "containers": [{"name": "c", "image": "i:1", "args": ["a", "b"]}]}
    api.apply(f"{deployments}/one", first, "first")
    answer = api.apply(f"{deployments}/one", named("apps/v1", "Deployment", spec=change), "second")
    assert answer.causes == [("FieldManagerConflict", field)]


def test_an_applied_status_is_owned_through_its_subresource(api: Api, pods: str) -> None:
    api.post(pods, named("v1", "Pod", spec=POD_SPEC))
    answer = api.apply(f"{pods}/one/status", named("v1", "Pod", status={"phase": "Running", "message": "m"}))
    assert owners(answer)["me", "Apply", "status"] == {"f:status": {"f:phase": {}, "f:message": {}}}
    answer = api.apply(f"{pods}/one/status", named("v1", "Pod", status={"phase": "Running"}))
    assert "message" not in answer.body["status"]


def test_conditions_are_owned_by_type(api: Api, pods: str) -> None:
    def condition(name: str, value: str) -> dict[str, Any]:
        return named("v1", "Pod", status={"conditions": [{"type": name, "status": value}]})

    api.post(pods, named("v1", "Pod", spec=POD_SPEC))
    answer = api.apply(f"{pods}/one/status", condition("X", "True"), "x")
    fields = {".": {}, "f:type": {}, "f:status": {}}
    assert owners(answer)["x", "Apply", "status"] == {"f:status": {"f:conditions": {'k:{"type":"X"}': fields}}}
    answer = api.apply(f"{pods}/one/status", condition("Y", "True"), "y")
    assert [found["type"] for found in answer.body["status"]["conditions"]] == ["X", "Y"]
    answer = api.apply(f"{pods}/one/status", condition("X", "False"), "y")
    assert answer.message == (
        'Apply failed with 1 conflict: conflict with "x" with subresource "status": .status.conditions[type="X"].status'
    )


def test_a_status_applied_with_the_object_is_nobodys(api: Api, pods: str) -> None:
    answer = api.apply(f"{pods}/one", named("v1", "Pod", spec=POD_SPEC, status={"phase": "Running"}))
    assert owners(answer) == {("me", "Apply", ""): {"f:spec": APPLIED_POD_SPEC}}
    assert answer.body["status"]["phase"] == "Pending"


def test_replicas_go_over_to_an_autoscaler_that_shares_them_first(api: Api, deployments: str) -> None:
    one = f"{deployments}/one"
    api.apply(one, deployment(replicas=3), "first")
    assert api.apply(one, named("apps/v1", "Deployment", spec={"replicas": 3}), "scaler").code == 200
    answer = api.apply(one, deployment(), "first")
    assert answer.body["spec"]["replicas"] == 3
    assert owners(answer)["scaler", "Apply", ""] == {"f:spec": {"f:replicas": {}}}


def test_replicas_that_nobody_wants_any_more_are_one_again(api: Api, deployments: str) -> None:
    api.apply(f"{deployments}/one", deployment(replicas=3))
    assert api.apply(f"{deployments}/one", deployment()).body["spec"]["replicas"] == 1


def test_who_scales_owns_the_replicas_through_the_subresource(api: Api, deployments: str) -> None:
    one = f"{deployments}/one"
    api.apply(one, deployment(replicas=0), "first")
    api.patch(f"{one}/scale", {"spec": {"replicas": 1}}, fieldManager="scaler")
    answer = api.apply(one, deployment(replicas=0), "first")
    assert answer.message == (
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas'
    )


def test_each_patch_owns_what_it_changed(api: Api, one: str) -> None:
    api.apply(one, config_map(data={"a": "1"}))
    answer = api.patch(one, {"data": {"a": "2", "b": "2"}}, fieldManager="editor")
    assert owners(answer) == {("editor", "Update", ""): {"f:data": {"f:a": {}, "f:b": {}}}}
    answer = api.patch(one, {"data": {"b": "3"}}, fieldManager="other")
    assert owners(answer) == {
        ("editor", "Update", ""): {"f:data": {"f:a": {}}},
        ("other", "Update", ""): {"f:data": {"f:b": {}}},
    }
    answer = api.patch(one, {"data": {"b": None}}, fieldManager="third")
    assert owners(answer) == {("editor", "Update", ""): {"f:data": {"f:a": {}}}}


def test_a_strategic_patch_owns_a_field_of_an_item(api: Api, deployments: str) -> None:
    api.post(deployments, deployment(replicas=0))
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}}}
    answer = api.patch(f"{deployments}/one", change, STRATEGIC, fieldManager="me")
    fields = {"f:template": {"f:spec": {"f:containers": {'k:{"name":"c"}': {"f:image": {}}}}}}
    assert owners(answer)["me", "Update", ""] == {"f:spec": fields}


def test_what_is_taken_away_has_no_owner(api: Api, one: str) -> None:
    api.apply(one, config_map(data={"a": "1"}))
    answer = api.patch(one, [{"op": "remove", "path": "/data/a"}], JSON_PATCH)
    assert owners(answer) == {}
    assert owners(api.apply(one, config_map(data={"a": "1"}))) == {("me", "Apply", ""): {"f:data": {"f:a": {}}}}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (MERGE, {"metadata": {"managedFields": [{}]}}),
        (JSON_PATCH, [{"op": "replace", "path": "/metadata/managedFields", "value": []}]),
    ],
)
def test_an_empty_list_of_owners_forgets_them(api: Api, one: str, kind: str, change: Any) -> None:
    api.apply(one, config_map(data={"a": "1"}))
    answer = api.patch(one, change, kind)
    assert (answer.code, answer.body["metadata"].get("managedFields")) == (200, None)


def test_an_object_that_nobody_owns_has_no_owner_until_it_is_applied(api: Api, one: str) -> None:
    api.apply(one, config_map(data={"a": "1"}))
    api.patch(one, [{"op": "replace", "path": "/metadata/managedFields", "value": []}], JSON_PATCH)
    assert owners(api.patch(one, {"data": {"b": "1"}}, fieldManager="editor")) == {}
    answer = api.apply(one, config_map(data={"a": "1"}))
    assert owners(answer) == {
        ("me", "Apply", ""): {"f:data": {"f:a": {}}},
        ("before-first-apply", "Update", ""): {"f:data": {".": {}, "f:a": {}, "f:b": {}}},
    }


def test_null_takes_the_place_of_a_value(api: Api, one: str) -> None:
    api.apply(one, config_map(immutable=False), "first")
    answer = api.apply(one, config_map(immutable=None), "second")
    assert answer.causes == [("FieldManagerConflict", ".immutable")]
    answer = api.apply(one, config_map(immutable=None), "second", force=True)
    assert "immutable" not in answer.body


@pytest.mark.parametrize(
    ("manager", "reason", "said"),
    [
        ("m" * 129, "FieldValueTooLong", "Too long: may not be more than 128 bytes"),
        ("a\nb", "FieldValueInvalid", 'Invalid value: "a\\nb": invalid character U+000A (at position 1)'),
    ],
)
@pytest.mark.parametrize("kind", [APPLY, MERGE])
def test_a_name_that_is_none_manages_nothing(
    api: Api, one: str, manager: str, reason: str, said: str, kind: str
) -> None:
    answer = api.patch(one, config_map(data={}), kind, fieldManager=manager)
    assert (answer.code, answer.causes) == (422, [(reason, "fieldManager")])
    assert answer.message == f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {said}'
