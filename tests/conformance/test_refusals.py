"""What a server says no to, and in which words."""

from typing import Any

import pytest
from asking import Api

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "a name with capitals": ({"metadata": {"name": "One"}}, "FieldValueInvalid", "metadata.name"),
    "a name that is too long": ({"metadata": {"name": "a" * 254}}, "FieldValueInvalid", "metadata.name"),
    "no name at all": ({"metadata": {}}, "FieldValueRequired", "metadata.name"),
    "a label key with a space": (
        {"metadata": {"name": "one", "labels": {"a b": "c"}}},
        "FieldValueInvalid",
        "metadata.labels",
    ),
    "a label value that is too long": (
        {"metadata": {"name": "one", "labels": {"a": "b" * 64}}},
        "FieldValueInvalid",
        "metadata.labels",
    ),
    "an annotation key with a space": (
        {"metadata": {"name": "one", "annotations": {"a b": "c"}}},
        "FieldValueInvalid",
        "metadata.annotations",
    ),
    "annotations that are too long": (
        {"metadata": {"name": "one", "annotations": {"a": "b" * 262145}}},
        "FieldValueTooLong",
        "metadata.annotations",
    ),
    "a finalizer without a domain": (
        {"metadata": {"name": "one", "finalizers": ["hold"]}},
        "FieldValueInvalid",
        "metadata.finalizers[0]",
    ),
    "a data key with a slash": ({"metadata": {"name": "one"}, "data": {"a/b": "c"}}, "FieldValueInvalid", "data[a/b]"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_object_is_invalid_with_reason_and_field(api: Api, config_maps: str, case: str) -> None:
    body, reason, field = BAD[case]
    answer = api.post(config_maps, body)
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert (reason, field) in answer.causes


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", ""),
        (b'{"metadata": {"name": 1}}', ""),
        (b'{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}}', "Secret"),
        (b'{"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "one"}}', "v2"),
    ],
    ids=["no JSON", "a number for a name", "another kind", "another version"],
)
def test_what_is_no_such_object_is_a_bad_request(api: Api, config_maps: str, body: bytes, said: str) -> None:
    answer = api.post(config_maps, body)
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert said in answer.message


def test_a_name_that_is_taken_already_exists(api: Api, config_maps: str) -> None:
    api.post(config_maps, {"metadata": {"name": "one"}})
    answer = api.post(config_maps, {"metadata": {"name": "one"}})
    assert (answer.code, answer.reason) == (409, "AlreadyExists")
    assert answer.message == 'configmaps "one" already exists'
    assert answer.body["details"] == {"name": "one", "kind": "configmaps"}


def test_a_generated_name_has_five_more_characters(api: Api, config_maps: str) -> None:
    name = api.post(config_maps, {"metadata": {"generateName": "one-"}}).body["metadata"]["name"]
    assert (name[:4], len(name)) == ("one-", 9)


def test_a_namespace_that_is_not_there_is_not_found(api: Api) -> None:
    answer = api.post("/api/v1/namespaces/none/configmaps", {"metadata": {"name": "one"}})
    assert (answer.code, answer.message) == (404, 'namespaces "none" not found')


def test_the_namespace_of_the_body_is_that_of_the_path(api: Api, config_maps: str) -> None:
    answer = api.post(config_maps, {"metadata": {"name": "one", "namespace": "other"}})
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert answer.message == "the namespace of the provided object does not match the namespace sent on the request"


@pytest.mark.parametrize(
    "path", ["/api/v1/nothings", "/apis/none.example.org/v1/things", "/apis/apps/v9/deployments", "/nowhere"]
)
def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.code == 404


def test_a_verb_that_a_resource_lacks_is_not_allowed(api: Api, namespace: str) -> None:
    answer = api.put(f"/api/v1/namespaces/{namespace}/configmaps", {})
    assert (answer.code, answer.reason) == (405, "MethodNotAllowed")


def test_no_known_media_type_is_acceptable(api: Api, config_maps: str) -> None:
    answer = api.get(config_maps, accept="text/plain")
    assert (answer.code, answer.reason) == (406, "NotAcceptable")


def test_a_body_of_another_media_type_is_not_supported(api: Api, config_maps: str) -> None:
    answer = api.ask("POST", config_maps, b"hello", kind="text/plain")
    assert (answer.code, answer.reason) == (415, "UnsupportedMediaType")


def test_a_body_of_four_megabytes_is_too_large(api: Api, config_maps: str) -> None:
    body = {"metadata": {"name": "one"}, "data": {"a": "b" * (4 << 20)}}
    answer = api.post(config_maps, body)
    assert (answer.code, answer.reason) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(("validation", "code"), [("Strict", 400), ("Warn", 201), ("Ignore", 201)])
def test_an_unknown_field_is_refused_warned_about_or_dropped(
    api: Api, config_maps: str, validation: str, code: int
) -> None:
    answer = api.post(config_maps, {"metadata": {"name": "one"}, "colour": "red"}, fieldValidation=validation)
    assert answer.code == code
    said = 'unknown field "colour"'
    assert (said in answer.message) == (validation == "Strict")
    warned = answer.headers.get("Warning", "").replace("\\", "")
    assert (said in warned) == (validation == "Warn")
    assert "colour" not in answer.body


def test_a_token_that_is_none_is_unauthorized(api: Api) -> None:
    answer = api.ask("GET", "/api/v1/namespaces", token="wrong")
    assert (answer.code, answer.reason) == (401, "Unauthorized")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_is_ok(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.code, answer.body) == (200, "ok")


def test_an_immutable_config_map_stays_as_it_is(api: Api, config_maps: str) -> None:
    api.post(config_maps, {"metadata": {"name": "one"}, "data": {"a": "1"}, "immutable": True})
    answer = api.patch(f"{config_maps}/one", {"data": {"a": "2"}})
    assert (answer.code, answer.causes) == (422, [("FieldValueForbidden", "data")])


@pytest.mark.parametrize(
    ("ports", "causes"),
    [
        ([{"name": "a", "port": 80}, {"name": "a", "port": 81}], [("FieldValueDuplicate", "spec.ports[1].name")]),
        ([{"name": "a", "port": 80}, {"name": "b", "port": 80}], [("FieldValueDuplicate", "spec.ports[1]")]),
        ([{"port": 80}, {"name": "b", "port": 81}], [("FieldValueRequired", "spec.ports[0].name")]),
    ],
)
def test_ports_of_a_service_differ_in_name_and_number(
    api: Api, namespace: str, ports: list[dict[str, Any]], causes: list[tuple[str, str]]
) -> None:
    body = {"metadata": {"name": "one"}, "spec": {"ports": ports}}
    answer = api.post(f"/api/v1/namespaces/{namespace}/services", body)
    assert (answer.code, answer.causes) == (422, causes)


@pytest.mark.parametrize(
    ("options", "field", "said"),
    [
        ({"dryRun": "x"}, "dryRun", 'Unsupported value: ["x"]: supported values: "All"'),
        (
            {"fieldValidation": "x"},
            "fieldValidation",
            'Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"',
        ),
    ],
)
def test_an_option_that_is_none_is_refused_before_the_object_is_looked_for(
    api: Api, config_maps: str, options: dict[str, str], field: str, said: str
) -> None:
    answer = api.patch(f"{config_maps}/none", {}, **options)
    assert (answer.code, answer.causes) == (422, [("FieldValueNotSupported", field)])
    assert answer.message == f'PatchOptions.meta.k8s.io "" is invalid: {field}: {said}'


def test_options_of_a_delete_are_looked_at_before_the_object(api: Api, config_maps: str) -> None:
    answer = api.delete(f"{config_maps}/none", {"propagationPolicy": "x"})
    assert (answer.code, answer.causes) == (422, [("FieldValueNotSupported", "propagationPolicy")])
    assert 'supported values: "Foreground", "Background", "Orphan", "nil"' in answer.message


def test_a_finalizer_is_a_qualified_name(api: Api, config_maps: str) -> None:
    answer = api.post(config_maps, {"metadata": {"name": "one", "finalizers": ["example.org/ a"]}})
    assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", "metadata.finalizers")])
