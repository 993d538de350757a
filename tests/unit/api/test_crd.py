"""The generated CRDs: structure, bounds, columns, and that the files in the repository are those."""

from pathlib import Path

import pytest
import yaml

from kaito.api.crd import crd_files, crds

ROOT = Path(__file__).parents[3]
CRDS = {crd["metadata"]["name"]: crd for crd in crds()}


def schema_of(name):
    return CRDS[name]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def walk(schema, path=""):
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from walk(schema[key], f"{path}[]")


EVERY = [(name, path, schema) for name in CRDS for path, schema in walk(schema_of(name))]


def test_the_files_in_the_repository_are_what_is_generated_now():
    found = {path.name: path.read_text() for path in (ROOT / "manifests" / "crds").glob("*.yaml")}
    listed = yaml.safe_load(found.pop("kustomization.yaml"))["resources"]
    assert found == crd_files()
    assert sorted(listed) == sorted(found), "what is installed with kustomize is all of them"


def test_generating_twice_gives_the_same_bytes():
    assert crd_files() == crd_files()
    assert [yaml.safe_load(text) for text in crd_files().values()] == crds()


@pytest.mark.parametrize(("name", "path", "schema"), EVERY, ids=[f"{name}{path}" for name, path, _ in EVERY])
def test_every_level_is_structural_and_bounded(name, path, schema):
    assert not {"$ref", "allOf", "oneOf", "title", "$defs"} & set(schema)
    if schema.get("x-kubernetes-int-or-string"):
        assert schema["anyOf"] == [{"type": "integer"}, {"type": "string"}]
        assert "type" not in schema
        return
    kind = schema["type"]
    top = path in {".apiVersion", ".kind", ".metadata", ".metadata.name"}
    if kind == "string" and not top:
        assert "maxLength" in schema or "enum" in schema
    if kind == "array":
        assert "maxItems" in schema
        assert "items" in schema
    if "additionalProperties" in schema:
        assert "maxProperties" in schema
    if kind == "object" and not top:
        assert {"properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields"} & set(schema)


@pytest.mark.parametrize("name", CRDS)
def test_only_single_values_have_defaults(name):
    """A default of a whole object carries the nulls of its unset fields, which the API server refuses."""
    defaults = {path: schema["default"] for path, schema in walk(schema_of(name)) if "default" in schema}
    assert all(isinstance(value, str | int) for value in defaults.values()), defaults
    if name == "workspaces.kaito.sh":
        assert defaults[".resource.instanceType"] == "Standard_NC24ads_A100_v4"
        assert defaults[".resource.count"] == 1


def test_the_status_has_no_defaults_since_they_would_be_written_into_it():
    status = schema_of("workspaces.kaito.sh")["properties"]["status"]
    assert not [path for path, schema in walk(status) if "default" in schema]


def test_conditions_are_a_map_by_type():
    conditions = schema_of("workspaces.kaito.sh")["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert "default" not in conditions["items"]["properties"]["type"]


def test_a_workspace_is_listed_with_the_pages_six_columns_and_the_rest_with_wide():
    columns = CRDS["workspaces.kaito.sh"]["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = ["NAME", *(one["name"].upper() for one in columns if not one.get("priority"))]
    assert shown == ["NAME", "INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY", "AGE"]
    wide = [one["name"].upper() for one in columns if one.get("priority")]
    assert wide == ["JOBSTARTED", "WORKSPACESUCCEEDED", "STATE", "NODES", "PHASE", "ETA", "MESSAGE"]


def test_names_are_the_fields_own():
    names = CRDS["workspaces.kaito.sh"]["spec"]["names"]
    assert names["shortNames"] == ["wk", "wks"]
    assert "workspace" in names["categories"]
    assert CRDS["machines.karpenter.sh"]["spec"]["scope"] == "Cluster"
    assert CRDS["machines.karpenter.sh"]["spec"]["versions"][0]["name"] == "v1alpha5"


def test_both_versions_of_the_workspace_have_one_schema_and_one_table():
    versions = CRDS["workspaces.kaito.sh"]["spec"]["versions"]
    assert [(one["name"], one["served"], one["storage"]) for one in versions] == [
        ("v1beta1", True, True),
        ("v1alpha1", True, False),
    ]
    assert versions[0]["schema"] == versions[1]["schema"]
    assert versions[0]["additionalPrinterColumns"] == versions[1]["additionalPrinterColumns"]
    assert "conversion" not in CRDS["workspaces.kaito.sh"]["spec"], "with one schema there is nothing to convert"


def test_every_field_of_the_workspace_that_a_user_sets_is_described():
    undescribed = [
        path
        for path, schema in walk(schema_of("workspaces.kaito.sh"))
        if path.startswith((".resource", ".inference", ".tuning", ".status"))
        and "[]" not in path
        and "matchLabels" not in path
        and "matchExpressions" not in path
        and not path.startswith(".inference.template.")
        and ".volumeSource." not in path
        and not schema.get("description")
    ]
    assert undescribed == []
