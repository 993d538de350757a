import json

import pytest

from kaito.apiserver.schema import (
    PublishedKind,
    StructuralSchema,
    builtin_schema,
    openapi_v2_document,
    openapi_v3_document,
)

WORKSPACE = StructuralSchema.from_openapi(
    {
        "type": "object",
        "description": "A model to serve.",
        "properties": {
            "resource": {
                "type": "object",
                "required": ["labelSelector"],
                "properties": {
                    "count": {"type": "integer", "default": 1, "description": "How many nodes."},
                    "labelSelector": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "size": {"x-kubernetes-int-or-string": True},
                },
            }
        },
        "x-kubernetes-validations": [{"rule": "true"}],
    }
)
KINDS = [PublishedKind("workspaces", "Workspace", True, WORKSPACE, ("status",))]
POD = PublishedKind("pods", "Pod", True, builtin_schema("v1", "Pod"), ("status",))
NODE = PublishedKind("nodes", "Node", False, builtin_schema("v1", "Node"))


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_a_custom_kind_is_described_under_its_reversed_group():
    document = openapi_v3_document("kaito.sh/v1alpha1", KINDS)
    definition = document["components"]["schemas"]["sh.kaito.v1alpha1.Workspace"]
    assert definition["x-kubernetes-group-version-kind"] == [
        {"group": "kaito.sh", "kind": "Workspace", "version": "v1alpha1"}
    ]
    assert definition["description"] == "A model to serve."
    assert definition["properties"]["resource"]["properties"]["count"] == {
        "description": "How many nodes.",
        "type": "integer",
        "default": 1,
    }


@pytest.mark.parametrize(
    ("document", "prefix"),
    [
        (openapi_v3_document("v1", [POD, NODE]), "#/components/schemas/"),
        (openapi_v2_document({"v1": [POD, NODE], "kaito.sh/v1alpha1": KINDS}), "#/definitions/"),
    ],
)
def test_every_reference_leads_somewhere(document, prefix):
    definitions = document["components"]["schemas"] if "components" in document else document["definitions"]
    found = set(references(document))
    assert found
    assert {name.removeprefix(prefix) for name in found} <= set(definitions)
    json.dumps(document)


def test_merge_keys_are_published_for_strategic_merge():
    spec = openapi_v3_document("v1", [POD])["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]
    containers = spec["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]


@pytest.mark.parametrize("verb", ["post", "put", "patch"])
def test_writes_say_that_the_server_validates_fields(verb):
    paths = openapi_v3_document("kaito.sh/v1alpha1", KINDS)["paths"]
    path = "/apis/kaito.sh/v1alpha1/namespaces/{namespace}/workspaces" + ("" if verb == "post" else "/{name}")
    operation = paths[path][verb]
    assert {"fieldValidation", "dryRun", "fieldManager"} <= {item["name"] for item in operation["parameters"]}
    assert operation["x-kubernetes-action"] == verb
    assert operation["x-kubernetes-group-version-kind"]["kind"] == "Workspace"


@pytest.mark.parametrize(("field", "name"), [("capacity", "Quantity"), ("daemonEndpoints", "NodeDaemonEndpoints")])
def test_explain_finds_the_names_of_types(field, name):
    status = openapi_v2_document({"v1": [NODE]})["definitions"]["io.k8s.api.core.v1.NodeStatus"]["properties"][field]
    assert [reference.rpartition(".")[2] for reference in references(status)] == [name]


def test_an_int_or_string_of_a_custom_kind_says_so():
    document = openapi_v3_document("kaito.sh/v1alpha1", KINDS)
    resource = document["components"]["schemas"]["sh.kaito.v1alpha1.Workspace"]["properties"]["resource"]
    assert resource["properties"]["size"] == {"x-kubernetes-int-or-string": True}


def test_cluster_scoped_kinds_and_subresources_have_their_paths():
    paths = openapi_v3_document("v1", [POD, NODE])["paths"]
    assert "/api/v1/nodes/{name}" in paths
    assert "/api/v1/namespaces/{namespace}/pods/{name}/status" in paths


def test_a_kind_without_schema_is_published_as_any_object():
    document = openapi_v3_document("x.org/v1", [PublishedKind("things", "Thing", True)])
    assert document["components"]["schemas"]["org.x.v1.Thing"]["x-kubernetes-preserve-unknown-fields"] is True
