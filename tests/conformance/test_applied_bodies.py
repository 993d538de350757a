"""What server-side apply reads, and how it refuses what it cannot."""

from typing import Any

import pytest
from asking import APPLY, Answer, Api

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
NO_MAP = (
    "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
    "json: cannot unmarshal string into Go value of type map[string]interface {}"
)
UID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def one(config_maps: str) -> str:
    return f"{config_maps}/one"


def applied(api: Api, path: str, body: Any) -> Answer:
    return api.patch(path, body, APPLY, fieldManager="me")


def test_yaml_is_read(api: Api, one: str) -> None:
    answer = applied(api, one, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata:\n  a: b\n")
    assert (answer.code, answer.body["data"]) == (201, {"a": "b"})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find expected node content"),
        (
            b"hello",
            NO_MAP,
        ),
        (b'{"kind": "ConfigMap", "metadata": {"name": "one"}}', "invalid object type: /, Kind=ConfigMap"),
        (b'{"apiVersion": "v1", "metadata": {"name": "one"}}', "invalid object type: /v1, Kind="),
        (
            b'{"apiVersion": "v1", "kind": "ConfigMap"}',
            "the name of the object (one based on URL) was undeterminable: name must be provided",
        ),
        (
            b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "other"}}',
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ],
    ids=["no YAML", "no object", "no apiVersion", "no kind", "no name", "another namespace"],
)
def test_a_body_that_is_no_such_object_is_a_bad_request(api: Api, one: str, body: bytes, said: str) -> None:
    answer = applied(api, one, body)
    assert (answer.code, answer.reason, answer.message) == (400, "BadRequest", said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": "red"}, ".colour: field not declared in schema"),
        ({"data": {"a": 1}}, ".data.a: expected string, got &value.valueUnstructured{Value:1}"),
        ({"data": ["a"]}, ".data: expected map, got &{[a]}"),
        ({"data": "a"}, ".data: expected map, got &{a}"),
        ({"immutable": "x"}, ".immutable: expected boolean, got &{x}"),
    ],
    ids=["unknown", "number", "list", "text", "boolean"],
)
def test_fields_that_do_not_fit_the_schema_have_no_owner(api: Api, one: str, change: dict[str, Any], said: str) -> None:
    answer = applied(api, one, {**CONFIG_MAP, **change})
    assert (answer.code, answer.reason) == (500, "")
    head = answer.message.partition("(")[0]
    assert head == "failed to create typed patch object "
    assert answer.message.endswith(f"/one; /v1, Kind=ConfigMap): {said}")


@pytest.mark.parametrize(
    ("replicas", "said"),
    [("3", "string"), (True, "bool"), ([], "[]interface {}"), ({}, "map[string]interface {}")],
)
def test_a_number_that_is_none_is_told_by_its_type(api: Api, namespace: str, replicas: Any, said: str) -> None:
    body = deployment()
    body["spec"]["replicas"] = replicas
    answer = applied(api, f"/apis/apps/v1/namespaces/{namespace}/deployments/one", body)
    assert answer.code == 500
    assert answer.message.endswith(f": .spec.replicas: expected numeric (int or float), got {said}")


def deployment(*containers: Any) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": list(containers)}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "one"}, "spec": spec}


def test_an_item_without_its_key_is_named_empty_and_then_invalid(api: Api, namespace: str) -> None:
    answer = applied(api, f"/apis/apps/v1/namespaces/{namespace}/deployments/one", deployment({"image": "i"}))
    assert (answer.code, answer.causes) == (
        422,
        [
            ("FieldValueInvalid", "spec.template.metadata.labels"),
            ("FieldValueRequired", "spec.template.spec.containers[0].name"),
        ],
    )
    assert answer.message == (
        'Deployment.apps "one" is invalid: [spec.template.metadata.labels: Invalid value: null: '
        "`selector` does not match template `labels`, spec.template.spec.containers[0].name: Required value]"
    )


def test_a_uid_of_another_object_is_named_in_the_refusal(api: Api, one: str) -> None:
    applied(api, one, CONFIG_MAP)
    answer = applied(api, one, {**CONFIG_MAP, "metadata": {"name": "one", "uid": UID}})
    words = f'metadata.uid: Invalid value: "{UID}": field is immutable'
    assert answer.message == f'ConfigMap "one" is invalid: {words}'


def test_the_uid_of_the_object_is_accepted(api: Api, one: str) -> None:
    uid = applied(api, one, CONFIG_MAP).body["metadata"]["uid"]
    answer = applied(api, one, {**CONFIG_MAP, "metadata": {"name": "one", "uid": uid}, "data": {"a": "1"}})
    assert (answer.code, answer.body["data"]) == (200, {"a": "1"})


def test_a_resource_version_of_what_is_not_there_creates_it(api: Api, one: str) -> None:
    answer = applied(api, one, {**CONFIG_MAP, "metadata": {"name": "one", "resourceVersion": "1"}})
    assert answer.code == 201


def test_a_status_of_what_is_not_there_is_not_found(api: Api, namespace: str) -> None:
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "status": {"phase": "Running"}}
    answer = applied(api, f"/api/v1/namespaces/{namespace}/pods/one/status", body)
    assert (answer.code, answer.message) == (404, 'pods "one" not found')


def test_force_belongs_to_apply_alone(api: Api, one: str) -> None:
    applied(api, one, CONFIG_MAP)
    answer = api.patch(one, {"data": {}}, force=True)
    assert (answer.code, answer.causes) == (422, [("FieldValueForbidden", "force")])


def test_what_is_being_deleted_can_be_applied_to_and_goes_without_its_finalizer(api: Api, one: str) -> None:
    held = {**CONFIG_MAP, "metadata": {"name": "one", "finalizers": ["example.org/a"]}}
    applied(api, one, held)
    api.delete(one)
    assert applied(api, one, {**held, "data": {"a": "1"}}).body["data"] == {"a": "1"}
    assert applied(api, one, {**CONFIG_MAP, "data": {"a": "1"}}).code == 200
    assert api.get(one).code == 404
