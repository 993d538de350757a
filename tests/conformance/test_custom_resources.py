"""Custom resources: definitions, defaults, pruning, validation, versions, columns, subresources."""

import os
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from asking import APPLY, JSON_PATCH, STRATEGIC, Api
from definitions import DEFINITIONS, defined

GROUP = f"row{os.getpid()}.example.org"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                "port": {"x-kubernetes-int-or-string": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "array", "maxItems": 3, "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "fixed": {
                    "type": "string",
                    "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed cannot change"}],
                },
            },
            "x-kubernetes-validations": [
                {"rule": "!has(self.name) || self.size > 1", "message": "a name needs a size above 1"}
            ],
        },
        "status": {
            "type": "object",
            "properties": {"seen": {"type": "integer", "maximum": 9}, "selector": {"type": "string"}},
        },
    },
}


def definition(plural: str = "things") -> dict[str, Any]:
    version = {
        "served": True,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.size",
                "statusReplicasPath": ".status.seen",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
        ],
    }
    return {
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": plural.capitalize()},
            "versions": [
                {**version, "name": "v1", "storage": True},
                {**version, "name": "v1beta1", "storage": False},
            ],
        },
    }


@pytest.fixture(scope="module")
def installed(api: Api) -> Iterator[None]:
    with defined(api, definition()):
        yield


@pytest.fixture
def things(installed: None, namespace: str) -> str:
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/things"


def thing(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Things",
        "metadata": {"name": "one"},
        "spec": {"size": 2, **spec},
    }


def test_defaults_are_filled_in(api: Api, things: str) -> None:
    assert api.post(things, thing()).body["spec"] == {"size": 2, "colour": "red"}


def test_unknown_fields_are_pruned_with_a_warning(api: Api, things: str) -> None:
    answer = api.post(things, thing(other=1))
    assert "other" not in answer.body["spec"]
    assert 'unknown field \\"spec.other\\"' in answer.headers["Warning"]


def test_unknown_fields_are_kept_where_the_schema_says_so(api: Api, things: str) -> None:
    assert api.post(things, thing(free={"a": {"b": 1}})).body["spec"]["free"] == {"a": {"b": 1}}


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "too small": ({"size": 0}, "FieldValueInvalid", "spec.size"),
    "too large": ({"size": 10}, "FieldValueInvalid", "spec.size"),
    "a text for a number": ({"size": "2"}, "FieldValueTypeInvalid", "spec.size"),
    "missing": ({"size": None}, "FieldValueRequired", "spec.size"),
    "none of the enum": ({"colour": "green"}, "FieldValueNotSupported", "spec.colour"),
    "no match": ({"name": "A"}, "FieldValueInvalid", "spec.name"),
    "too long": ({"name": "abcdef"}, "FieldValueTooLong", "spec.name"),
    "too many": ({"tags": ["a", "b", "c", "d"]}, "FieldValueTooMany", "spec.tags"),
    "twice": ({"tags": ["a", "a"]}, "FieldValueDuplicate", "spec.tags[1]"),
    "a rule": ({"size": 1, "name": "a"}, "FieldValueInvalid", "spec"),
    "neither a number nor a text": ({"port": []}, "FieldValueTypeInvalid", "spec.port"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_the_schema_forbids_is_invalid_with_reason_and_field(api: Api, things: str, case: str) -> None:
    spec, reason, field = BAD[case]
    answer = api.post(things, thing(**spec))
    assert (answer.code, answer.reason) == (422, "Invalid")
    assert (reason, field) in answer.causes


def test_a_rule_says_its_message(api: Api, things: str) -> None:
    answer = api.post(things, thing(size=1, name="a"))
    assert 'spec: Invalid value: "object": a name needs a size above 1' in answer.message or (
        "a name needs a size above 1" in answer.message
    )


def test_a_transition_rule_compares_with_what_was(api: Api, things: str) -> None:
    api.post(things, thing(fixed="a"))
    answer = api.patch(f"{things}/one", {"spec": {"fixed": "b"}})
    assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", "spec.fixed")])
    assert "fixed cannot change" in answer.message
    assert api.patch(f"{things}/one", {"spec": {"fixed": None}}).code == 200


@pytest.mark.parametrize("port", [80, "http"])
def test_a_number_or_a_text(api: Api, things: str, port: Any) -> None:
    assert api.post(things, thing(port=port)).body["spec"]["port"] == port


def test_a_status_is_written_through_its_subresource_alone(api: Api, things: str) -> None:
    made = api.post(things, {**thing(), "status": {"seen": 1}})
    assert "status" not in made.body
    answer = api.patch(f"{things}/one/status", {"spec": {"size": 5}, "status": {"seen": 3}})
    assert (answer.body["spec"]["size"], answer.body["status"]) == (2, {"seen": 3})
    assert answer.body["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ("x", 'Invalid value: "string": seen in body must be of type integer: "string"'),
        (10, "Invalid value: 10: seen in body should be less than or equal to 9"),
    ],
    ids=["text", "too large"],
)
def test_a_wrong_status_is_told_from_the_status_on(api: Api, things: str, seen: Any, said: str) -> None:
    api.post(things, thing())
    answer = api.patch(f"{things}/one/status", {"status": {"seen": seen}})
    assert answer.code == 422
    assert f"status.seen: {said}" in answer.message


def test_the_generation_counts_changes_of_all_but_metadata_and_status(api: Api, things: str) -> None:
    api.post(things, thing())
    assert api.patch(f"{things}/one", {"metadata": {"labels": {"a": "b"}}}).body["metadata"]["generation"] == 1
    assert api.patch(f"{things}/one", {"spec": {"size": 3}}).body["metadata"]["generation"] == 2


def test_scale_reads_the_paths_of_the_definition(api: Api, things: str) -> None:
    api.post(things, thing())
    api.patch(f"{things}/one/status", {"status": {"seen": 1, "selector": "a=b"}})
    scale = api.get(f"{things}/one/scale").body
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "a=b"})
    api.patch(f"{things}/one/scale", {"spec": {"replicas": 4}})
    assert api.get(f"{things}/one").body["spec"]["size"] == 4


def test_both_versions_show_the_same_object(api: Api, things: str) -> None:
    api.post(things, thing())
    other = api.get(f"{things.replace('/v1/', '/v1beta1/')}/one").body
    assert (other["apiVersion"], other["spec"]) == (f"{GROUP}/v1beta1", {"size": 2, "colour": "red"})


def test_a_strategic_patch_is_not_supported(api: Api, things: str) -> None:
    api.post(things, thing())
    answer = api.patch(f"{things}/one", {"spec": {"size": 3}}, STRATEGIC)
    assert (answer.code, answer.reason) == (415, "UnsupportedMediaType")


def test_apply_shares_sets_and_owns_fields(api: Api, things: str) -> None:
    api.apply(f"{things}/one", thing(tags=["a"]), manager="first")
    other = {**thing(), "spec": {"tags": ["b"]}}
    answer = api.ask("PATCH", f"{things}/one", other, kind=APPLY, fieldManager="second")
    assert answer.body["spec"]["tags"] == ["a", "b"]
    conflict = api.apply(f"{things}/one", {**thing(), "spec": {"size": 5}}, manager="second")
    assert conflict.causes == [("FieldManagerConflict", ".spec.size")]


def test_a_table_has_the_columns_of_the_definition(api: Api, things: str) -> None:
    api.post(things, thing())
    body = api.get(things, accept="application/json;as=Table;g=meta.k8s.io;v=v1").body
    columns = [(column["name"], column["priority"]) for column in body["columnDefinitions"]]
    assert columns == [("Name", 0), ("Size", 0), ("Colour", 1)]
    assert body["rows"][0]["cells"] == ["one", 2, "red"]


def test_items_of_a_list_say_what_they_are(api: Api, things: str) -> None:
    api.post(things, thing())
    body = api.get(things).body
    assert body["kind"] == "ThingsList"
    assert body["items"][0]["kind"] == "Things"


def test_an_update_needs_a_resource_version(api: Api, things: str) -> None:
    api.post(things, thing())
    answer = api.put(f"{things}/one", thing(size=3))
    assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", "metadata.resourceVersion")])


def test_a_patch_must_leave_the_resource_version(api: Api, things: str) -> None:
    api.post(things, thing())
    answer = api.patch(f"{things}/one", [{"op": "remove", "path": "/metadata/resourceVersion"}], JSON_PATCH)
    assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", "metadata.resourceVersion")])


def test_null_is_no_value_unless_the_schema_does_not_know_the_field(api: Api, things: str) -> None:
    spec = api.post(things, thing(name=None, port=None, tags=None, free={"a": None})).body["spec"]
    assert spec == {"size": 2, "colour": "red", "free": {"a": None}}


def test_a_list_that_an_applier_empties_is_gone(api: Api, things: str) -> None:
    api.apply(f"{things}/one", thing(tags=["a"]))
    answer = api.apply(f"{things}/one", thing(tags=[]))
    assert (answer.code, answer.body["spec"]) == (200, {"size": 2, "colour": "red"})


def test_a_map_that_an_applier_empties_is_null_and_so_invalid(api: Api, things: str) -> None:
    api.apply(f"{things}/one", thing(free={"a": "1"}))
    answer = api.apply(f"{things}/one", thing(free={}))
    assert answer.code == 422
    assert ("FieldValueTypeInvalid", "spec.free") in answer.causes


def test_an_applied_value_of_another_type_has_no_owner(api: Api, things: str) -> None:
    answer = api.apply(f"{things}/one", thing(free=5))
    assert (answer.code, answer.message.partition("): ")[2]) == (500, ".spec.free: expected map, got &{5}")


@pytest.mark.parametrize(("given", "kept"), [([], True), ([{}], False)])
def test_an_empty_list_of_owners_means_nothing_but_an_empty_owner_does(
    api: Api, things: str, given: list[Any], kept: bool
) -> None:
    made = api.post(things, thing()).body
    made["metadata"]["managedFields"] = given
    answer = api.put(f"{things}/one", made)
    assert ("managedFields" in answer.body["metadata"]) is kept


def test_a_finalizer_may_be_there_twice(api: Api, things: str) -> None:
    body = thing()
    body["metadata"]["finalizers"] = ["example.org/a", "example.org/a"]
    assert api.post(things, body, dryRun="All").code == 201


def change(path: str, value: Any) -> dict[str, Any]:
    """Return a definition with one field of its first version's schema changed; None removes it."""
    crd = deepcopy(definition("wrongs"))
    place: Any = crd["spec"]
    *parents, last = path.split(".")
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return crd


WRONG: dict[str, dict[str, Any]] = {
    "a name that is not plural and group": {**definition("wrongs"), "metadata": {"name": f"other.{GROUP}"}},
    "no type at the root": change("versions.0.schema.openAPIV3Schema.type", None),
    "no type of a property": change("versions.0.schema.openAPIV3Schema.properties.spec.properties.size.type", None),
    "no version that is stored": change("versions.0.storage", False),
    "two versions that are stored": change("versions.1.storage", True),
    "a rule that does not compile": change(
        "versions.0.schema.openAPIV3Schema.properties.spec.x-kubernetes-validations", [{"rule": "self.nope ="}]
    ),
    "a rule about a field that is not there": change(
        "versions.0.schema.openAPIV3Schema.properties.spec.x-kubernetes-validations", [{"rule": "self.nope == 1"}]
    ),
    "a default that the schema forbids": change(
        "versions.0.schema.openAPIV3Schema.properties.spec.properties.colour.default", "green"
    ),
    "no schema": change("versions.0.schema", None),
    "an unknown scope": change("scope", "Everywhere"),
    "a kind with a space": change("names.kind", "A B"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_definition_is_refused(api: Api, case: str) -> None:
    answer = api.post(DEFINITIONS, WRONG[case], dryRun="All")
    assert (answer.code, answer.reason) == (422, "Invalid")
