"""What a body says it is: apiVersion and kind, which a built-in type may leave out and a custom resource may not."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from asking import JSON_PATCH, Api
from definitions import defined

GROUP = f"said{os.getpid()}.example.org"
DEFINITION = {
    "metadata": {"name": f"things.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                "subresources": {"status": {}},
            }
        ],
    },
}
THING = {"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": {"name": "one"}}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "one"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
SCHEME = 'in scheme "pkg/runtime/scheme.go:110"'


@pytest.fixture(scope="module")
def installed(api: Api) -> Iterator[None]:
    with defined(api, DEFINITION):
        yield


@pytest.fixture
def things(installed: None, namespace: str) -> str:
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/things"


def changed(body: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return the body with other fields in front; those that are `...` are left out."""
    return {name: value for name, value in {**change, **body, **change}.items() if value is not ...}


def unrecognized(kind: str, why: str, body: bytes) -> str:
    shown = body[:30].decode() + (" ..." if len(body) > 30 else "")
    return f"the object provided is unrecognized (must be of type {kind}): {why} ({shown})"


@pytest.mark.parametrize(
    "change",
    [
        {"apiVersion": ...},
        {"kind": ...},
        {"apiVersion": ..., "kind": ...},
        {"apiVersion": "", "kind": ""},
        {"apiVersion": None, "kind": None},
    ],
    ids=["no apiVersion", "no kind", "neither", "empty", "null"],
)
def test_a_built_in_type_is_what_its_path_says(
    api: Api, namespace: str, config_maps: str, change: dict[str, Any]
) -> None:
    for path, body in ((config_maps, CONFIG_MAP), (f"/apis/apps/v1/namespaces/{namespace}/deployments", DEPLOYMENT)):
        answer = api.post(path, changed(body, change))
        assert answer.code == 201
        assert (answer.body["apiVersion"], answer.body["kind"]) == (body["apiVersion"], body["kind"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"apiVersion": "v9"},
            (
                f'ConfigMap in version "v9" cannot be handled as a ConfigMap: '
                f'no kind "ConfigMap" is registered for version "v9" {SCHEME}'
            ),
        ),
        (
            {"apiVersion": "v9", "kind": ...},
            (
                f'ConfigMap in version "v9" cannot be handled as a ConfigMap: '
                f'no kind "ConfigMap" is registered for version "v9" {SCHEME}'
            ),
        ),
        (
            {"apiVersion": "other.example.org/v1", "kind": "Foo"},
            (
                f'Foo in version "v1" cannot be handled as a ConfigMap: '
                f'no kind "Foo" is registered for version "other.example.org/v1" {SCHEME}'
            ),
        ),
        (
            {"kind": "Foo", "apiVersion": ...},
            (
                f'Foo in version "v1" cannot be handled as a ConfigMap: '
                f'no kind "Foo" is registered for version "v1" {SCHEME}'
            ),
        ),
        (
            {"kind": "Secret"},
            (
                'Secret in version "v1" cannot be handled as a ConfigMap: '
                "converting (v1.Secret) to (core.ConfigMap): unknown conversion"
            ),
        ),
        (
            {"kind": "ConfigMapList"},
            (
                'ConfigMapList in version "v1" cannot be handled as a ConfigMap: '
                "converting (v1.ConfigMapList) to (core.ConfigMap): unknown conversion"
            ),
        ),
    ],
    ids=["version", "version without a kind", "group", "unknown kind", "known kind", "list"],
)
def test_another_type_cannot_be_handled_as_a_built_in_one(
    api: Api, config_maps: str, change: dict[str, Any], said: str
) -> None:
    answer = api.post(config_maps, changed(CONFIG_MAP, change))
    assert (answer.code, answer.reason, answer.message) == (400, "BadRequest", said)
    api.post(config_maps, CONFIG_MAP)
    answer = api.put(f"{config_maps}/one", changed(CONFIG_MAP, change))
    assert (answer.code, answer.reason, answer.message) == (400, "BadRequest", said)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"apiVersion": 1},
            (
                "couldn't get version/kind; json parse error: json: "
                "cannot unmarshal number into Go struct field .apiVersion of type string"
            ),
        ),
        (
            {"kind": True},
            (
                "couldn't get version/kind; json parse error: json: "
                "cannot unmarshal bool into Go struct field .kind of type string"
            ),
        ),
        (
            {"kind": {}},
            (
                "couldn't get version/kind; json parse error: json: "
                "cannot unmarshal object into Go struct field .kind of type string"
            ),
        ),
        ({"apiVersion": "a/b/c"}, "unexpected GroupVersion string: a/b/c"),
    ],
    ids=["number", "boolean", "map", "three parts"],
)
def test_what_is_no_version_and_no_kind_is_unrecognized(
    api: Api, config_maps: str, things: str, change: dict[str, Any], why: str
) -> None:
    for path, body in ((config_maps, CONFIG_MAP), (things, THING)):
        raw = json.dumps(changed(body, change)).encode()
        answer = api.post(path, raw)
        assert (answer.code, answer.reason) == (400, "BadRequest")
        assert answer.message == unrecognized(str(body["kind"]), why, raw)


@pytest.mark.parametrize(
    "change",
    [{"kind": ...}, {"kind": ""}, {"kind": None}, {"apiVersion": ..., "kind": ...}, {"apiVersion": "v9", "kind": ...}],
    ids=["none", "empty", "null", "neither", "another version"],
)
def test_a_custom_resource_without_a_kind_is_unrecognized(api: Api, things: str, change: dict[str, Any]) -> None:
    raw = json.dumps(changed(THING, change)).encode()
    said = unrecognized("Thing", f"Object 'Kind' is missing in '{raw.decode()}'", raw)
    for answer in (api.post(things, raw), api.put(f"{things}/one", raw), api.put(f"{things}/one/status", raw)):
        assert (answer.code, answer.reason, answer.message) == (400, "BadRequest", said)


def test_yaml_without_a_kind_is_quoted_as_it_came(api: Api, things: str) -> None:
    raw = b"metadata:\n  name: one\n"
    answer = api.ask("POST", things, raw, kind="application/yaml")
    assert answer.message == (
        f"the object provided is unrecognized (must be of type Thing): Object 'Kind' is missing in '{raw.decode()}' "
        f"({raw.hex()})"
    )


@pytest.mark.parametrize(
    ("change", "claimed"),
    [
        ({"apiVersion": ...}, ""),
        ({"apiVersion": ""}, ""),
        ({"apiVersion": ..., "kind": "Secret"}, ""),
        ({"apiVersion": f"{GROUP}/v9"}, f"{GROUP}/v9"),
        ({"apiVersion": "other.example.org/v1", "kind": "Foo"}, "other.example.org/v1"),
    ],
    ids=["none", "empty", "none and another kind", "version", "group"],
)
def test_a_custom_resource_of_another_version_is_not_the_expected_one(
    api: Api, things: str, change: dict[str, Any], claimed: str
) -> None:
    body = changed(THING, change)
    said = f"the API version in the data ({claimed}) does not match the expected API version ({GROUP}/v1)"
    for answer in (api.post(things, body), api.put(f"{things}/one", body), api.put(f"{things}/one/status", body)):
        assert (answer.code, answer.reason, answer.message) == (400, "BadRequest", said)


def test_the_version_of_a_custom_resource_is_a_text(api: Api, things: str) -> None:
    answer = api.post(things, changed(THING, {"apiVersion": None}))
    assert (answer.code, answer.message) == (
        400,
        (
            'Thing in version "" cannot be handled as a Thing: '
            ".apiVersion accessor error: <nil> is of the type <nil>, expected string"
        ),
    )


def test_a_custom_resource_of_another_kind_is_invalid(api: Api, things: str) -> None:
    said = f'Secret.{GROUP} "one" is invalid: kind: Invalid value: "Secret": must be Thing'
    answer = api.post(things, {**THING, "kind": "Secret"})
    assert (answer.code, answer.message, answer.causes) == (422, said, [("FieldValueInvalid", "kind")])
    made = api.post(things, THING).body
    answer = api.put(f"{things}/one", {**made, "kind": "Secret"})
    assert (answer.code, answer.message) == (422, said)
    answer = api.put(f"{things}/one/status", {**made, "kind": "Secret", "status": {"seen": 1}})
    assert (answer.code, answer.body["kind"], answer.body["status"]) == (200, "Thing", {"seen": 1})


def test_a_patch_leaves_a_custom_resource_its_version_and_kind(api: Api, things: str) -> None:
    api.post(things, THING)
    one = f"{things}/one"
    for change in ({"kind": None}, {"kind": ""}):
        answer = api.patch(one, change)
        assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", "patch")])
        assert "Object 'Kind' is missing in '" in answer.message
    answer = api.patch(one, [{"op": "remove", "path": "/apiVersion"}], JSON_PATCH)
    assert (answer.code, answer.reason) == (500, "InternalError")
    assert "Object 'apiVersion' is missing in 'object has no apiVersion field'" in answer.message
    answer = api.patch(one, {"apiVersion": f"{GROUP}/v9"})
    assert answer.message == (
        f'Thing.{GROUP} "one" is invalid: apiVersion: Invalid value: "{GROUP}/v9": must be {GROUP}/v1'
    )
    answer = api.patch(one, {"kind": "Secret"})
    assert answer.message == f'Secret.{GROUP} "one" is invalid: kind: Invalid value: "Secret": must be Thing'


def test_a_patch_makes_no_other_type_of_a_built_in_one(api: Api, config_maps: str) -> None:
    api.post(config_maps, CONFIG_MAP)
    assert api.patch(f"{config_maps}/one", {"kind": None, "data": {"a": "1"}}).body["kind"] == "ConfigMap"
    answer = api.patch(f"{config_maps}/one", {"apiVersion": "v9"})
    assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", "patch")])
    assert answer.message.endswith(f'no kind "ConfigMap" is registered for version "v9" {SCHEME}')
