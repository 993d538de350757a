"""CustomResourceDefinitions: what is refused, what follows from one, and how versions relate."""

import copy

import pytest

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WORKSPACES = "/apis/example.org/{}/namespaces/default/workspaces"
WORKSPACE = {
    "apiVersion": "example.org/v1",
    "kind": "Workspace",
    "metadata": {"name": "phi"},
    "resource": {"labelSelector": {}},
}


def conditions(crd) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}


async def test_a_definition_is_established_and_served_at_once(api, definition):
    made = (await api("POST", CRDS, definition)).body
    assert conditions(made) == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["status"]["acceptedNames"]["listKind"] == "WorkspaceList"
    assert (await api("GET", WORKSPACES.format("v1"))).body["kind"] == "WorkspaceList"
    groups = {group["name"]: group for group in (await api("GET", "/apis")).body["groups"]}
    assert groups["example.org"]["preferredVersion"]["version"] == "v1"


async def test_both_versions_show_the_same_object_with_defaults(api, definition):
    await api("POST", CRDS, definition)
    await api("POST", WORKSPACES.format("v1alpha1"), {**WORKSPACE, "apiVersion": "example.org/v1alpha1"})
    for version in ("v1", "v1alpha1"):
        shown = (await api("GET", WORKSPACES.format(version) + "/phi")).body
        assert shown["apiVersion"] == f"example.org/{version}"
        assert shown["resource"]["count"] == 1
    listed = (await api("GET", WORKSPACES.format("v1alpha1"))).body["items"]
    assert listed[0]["apiVersion"] == "example.org/v1alpha1"
    async with api.watch(WORKSPACES.format("v1alpha1")) as watch:
        assert (await watch.next())["object"]["apiVersion"] == "example.org/v1alpha1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda crd: crd["metadata"].update(name="other.example.org"), 'must be spec.names.plural+"."+spec.group'),
        (
            lambda crd: crd["spec"]["versions"][0].update(storage=True),
            "must have exactly one version marked as storage",
        ),
        (lambda crd: crd["spec"].update(scope="Planet"), 'spec.scope: Unsupported value: "Planet"'),
        (lambda crd: crd["spec"]["versions"][1].pop("schema"), "schemas are required"),
        (
            lambda crd: crd["spec"].update(conversion={"strategy": "Webhook"}),
            "spec.conversion.strategy: Unsupported value",
        ),
        (
            lambda crd: crd["spec"]["versions"][1]["schema"]["openAPIV3Schema"].update(
                {"x-kubernetes-validations": [{"rule": "self.("}]}
            ),
            "spec.versions[1].schema.openAPIV3Schema",
        ),
    ],
    ids=["name", "storage", "scope", "no schema", "conversion", "rule"],
)
async def test_a_wrong_definition_is_refused_by_field(api, definition, change, words):
    definition = copy.deepcopy(definition)
    definition["spec"]["versions"] = copy.deepcopy(definition["spec"]["versions"])
    change(definition)
    refused = await api("POST", CRDS, definition)
    assert refused.code == 422
    assert words in refused.body["message"]


async def test_a_second_definition_of_the_same_names_is_not_served(api, definition):
    await api("POST", CRDS, definition)
    clash = copy.deepcopy(definition)
    clash["metadata"]["name"] = "jobs.example.org"
    clash["spec"]["names"] = {"plural": "jobs", "kind": "Workspace"}
    made = (await api("POST", CRDS, clash)).body
    assert conditions(made) == {"NamesAccepted": "False", "Established": "False"}
    assert (await api("GET", "/apis/example.org/v1/jobs")).code == 404


async def test_a_changed_schema_holds_at_once(api, definition):
    made = (await api("POST", CRDS, definition)).body
    made["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]["resource"]["properties"]["zone"] = {
        "type": "string",
        "default": "one",
    }
    assert (await api("PUT", f"{CRDS}/workspaces.example.org", made)).code == 200
    created = (await api("POST", WORKSPACES.format("v1"), WORKSPACE)).body
    assert created["resource"]["zone"] == "one"


async def test_a_definition_survives_a_restart(start, tmp_path, definition):
    _, api = await start(data_dir=tmp_path)
    await api("POST", CRDS, definition)
    made = (await api("POST", WORKSPACES.format("v1"), WORKSPACE)).body
    await start.stop()
    _, api = await start(data_dir=tmp_path)
    assert (await api("GET", WORKSPACES.format("v1") + "/phi")).body == made
    async with api.watch(
        WORKSPACES.format("v1"), resourceVersion=str(int(made["metadata"]["resourceVersion"]) - 1)
    ) as watch:
        assert await watch.take(1) == [("ADDED", "phi")]
