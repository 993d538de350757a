"""What server-side apply leaves of a map whose last field it takes away, and of a null."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from asking import Answer, Api
from definitions import defined

GROUP = f"left{os.getpid()}.example.org"
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "map": TEXTS,
                "open": {**TEXTS, "nullable": True},
                "filled": {**TEXTS, "default": {"q": "w"}},
            },
        },
        "status": {"type": "object", "properties": {"map": TEXTS}},
    },
}
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
                "schema": {"openAPIV3Schema": SCHEMA},
                "subresources": {"status": {}},
            }
        ],
    },
}
EMPTY_AND_NULL = pytest.mark.parametrize("left", [{}, None], ids=["empty", "null"])


@pytest.fixture(scope="module")
def installed(api: Api) -> Iterator[None]:
    with defined(api, DEFINITION):
        yield


@pytest.fixture
def one(installed: None, namespace: str) -> str:
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/things/one"


def thing(spec: Any = None, /, **metadata: Any) -> dict[str, Any]:
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": {"name": "one", **metadata}}
    return body if spec is None else {**body, "spec": spec}


def owned(answer: Answer, manager: str = "me") -> Any:
    entries = answer.body["metadata"]["managedFields"]
    return next((entry["fieldsV1"] for entry in entries if entry["manager"] == manager), None)


def test_a_map_that_is_left_out_goes_with_its_fields(api: Api, one: str) -> None:
    api.apply(one, thing({"size": 1, "map": {"a": "1"}}))
    assert api.apply(one, thing({"size": 1})).body["spec"] == {"size": 1, "filled": {"q": "w"}}


@EMPTY_AND_NULL
def test_a_map_that_loses_its_last_field_is_null_which_its_type_forbids(api: Api, one: str, left: Any) -> None:
    api.apply(one, thing({"size": 1, "map": {"a": "1"}}))
    answer = api.apply(one, thing({"size": 1, "map": left}))
    assert (answer.code, answer.causes) == (422, [("FieldValueTypeInvalid", "spec.map")])
    assert answer.message.endswith('spec.map: Invalid value: "null": spec.map in body must be of type object: "null"')
    assert api.get(one).body["spec"]["map"] == {"a": "1"}


@EMPTY_AND_NULL
def test_a_nullable_map_that_loses_its_last_field_is_null(api: Api, one: str, left: Any) -> None:
    api.apply(one, thing({"size": 1, "open": {"a": "1"}}))
    answer = api.apply(one, thing({"size": 1, "open": left}))
    assert (answer.code, answer.body["spec"]["open"]) == (200, None)
    assert owned(answer) == {"f:spec": {"f:size": {}, "f:open": {}}}


@EMPTY_AND_NULL
def test_a_map_with_a_default_that_loses_its_last_field_has_the_default(api: Api, one: str, left: Any) -> None:
    api.apply(one, thing({"filled": {"a": "1"}}))
    answer = api.apply(one, thing({"filled": left}))
    assert (answer.code, answer.body["spec"]) == (200, {"filled": {"q": "w"}})
    assert owned(answer) == {"f:spec": {"f:filled": {}}}
    again = api.apply(one, thing({"filled": {"a": "1"}}))
    assert again.body["spec"] == {"filled": {"a": "1", "q": "w"}}


def test_a_null_with_a_default_is_created_as_the_default(api: Api, one: str) -> None:
    answer = api.apply(one, thing({"filled": None}))
    assert (answer.code, answer.body["spec"]) == (201, {"filled": {"q": "w"}})


@pytest.mark.parametrize("field", ["labels", "annotations"])
@EMPTY_AND_NULL
def test_labels_that_lose_the_last_one_are_gone(api: Api, one: str, field: str, left: Any) -> None:
    api.apply(one, thing({"size": 1}, **{field: {"a": "1"}}))
    answer = api.apply(one, thing({"size": 1}, **{field: left}))
    assert answer.code == 200
    assert field not in answer.body["metadata"]
    assert answer.body["metadata"]["generation"] == 1
    assert owned(answer) == {"f:metadata": {f"f:{field}": {}}, "f:spec": {"f:size": {}}}
    assert api.get(one).body == answer.body


def test_a_label_of_null_is_an_empty_one_and_finalizers_of_null_are_none(api: Api, one: str) -> None:
    answer = api.apply(one, thing({"size": 1}, labels={"a": None}, annotations=None, finalizers=None))
    assert (answer.code, answer.body["metadata"]["labels"]) == (201, {"a": ""})
    assert not {"annotations", "finalizers"} & set(answer.body["metadata"])


def test_labels_of_two_managers_are_gone_when_both_let_go(api: Api, one: str) -> None:
    api.apply(one, thing(labels={"a": "1"}), manager="you")
    api.apply(one, thing(labels={"a": "1"}))
    assert api.apply(one, thing(labels={})).body["metadata"]["labels"] == {"a": "1"}
    answer = api.apply(one, thing(labels={}), manager="you")
    assert answer.code == 200
    assert "labels" not in answer.body["metadata"]


def test_a_status_that_loses_its_last_field_is_told_from_the_status_on(api: Api, one: str) -> None:
    api.apply(one, thing({"size": 1}))
    api.apply(f"{one}/status", {**thing(), "status": {"map": {"a": "1"}}})
    answer = api.apply(f"{one}/status", {**thing(), "status": {"map": {}}})
    assert (answer.code, answer.causes) == (422, [("FieldValueTypeInvalid", "status.map")])
    assert answer.message.endswith('status.map: Invalid value: "null": map in body must be of type object: "null"')
    answer = api.apply(f"{one}/status", {**thing(), "status": {}})
    assert answer.message.endswith('status: Invalid value: "null":  in body must be of type object: "null"')
    assert "status" not in api.apply(f"{one}/status", thing()).body


@EMPTY_AND_NULL
def test_a_built_in_map_that_loses_its_last_field_is_gone(api: Api, config_maps: str, left: Any) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "labels": {"a": "1"}}}
    one = f"{config_maps}/one"
    api.apply(one, {**body, "data": {"a": "1"}})
    answer = api.apply(one, {**body, "metadata": {"name": "one", "labels": left}, "data": left})
    assert answer.code == 200
    assert "data" not in answer.body
    assert "labels" not in answer.body["metadata"]
    assert owned(answer) == {"f:data": {}, "f:metadata": {"f:labels": {}}}
