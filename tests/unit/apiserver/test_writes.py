"""Create, update, patch and apply, as they are answered over HTTP."""

import pytest

CONFIG_MAPS, PODS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CRDS, WORKSPACES = (
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/example.org/v1/namespaces/default/workspaces",
)
POD = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}}
WORKSPACE = {
    "apiVersion": "example.org/v1",
    "kind": "Workspace",
    "metadata": {"name": "phi"},
    "resource": {"labelSelector": {}},
    "inference": {"preset": {"name": "phi"}},
}


def config_map(name: str = "a", **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_a_created_object_gets_its_identity_from_the_server(api):
    made = await api("POST", CONFIG_MAPS, config_map(x="1"))
    meta = made.body["metadata"]
    assert made.code == 201
    assert (meta["name"], meta["namespace"]) == ("a", "default")
    assert meta["uid"]
    assert meta["resourceVersion"].isdigit()
    assert meta["creationTimestamp"].endswith("Z")
    assert meta["managedFields"][0]["manager"] == "tester"
    assert (await api("GET", f"{CONFIG_MAPS}/a")).body == made.body


async def test_a_taken_name_is_a_conflict(api):
    await api("POST", CONFIG_MAPS, config_map())
    again = await api("POST", CONFIG_MAPS, config_map())
    assert (again.code, again.reason) == (409, "AlreadyExists")
    assert again.body["message"] == 'configmaps "a" already exists'


async def test_generated_names_differ(api):
    body = {"metadata": {"generateName": "job-"}}
    names = {(await api("POST", CONFIG_MAPS, body)).body["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("job-") and len(name) == 9 for name in names)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"metadata": {"name": "A_b"}}, 422, 'ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b"'),
        ({"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
        ({"metadata": {"name": "a", "labels": {"x": "b c"}}}, 422, 'metadata.labels: Invalid value: "b c"'),
        ({"metadata": {"name": "a", "namespace": "other"}}, 400, "does not match the namespace"),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, 500, "resourceVersion should not be set"),
        (
            {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}},
            400,
            'Secret in version "v1" cannot be handled as',
        ),
        ({"metadata": {"name": "a"}, "data": {"x": 1}}, 400, "data.x"),
        ({"metadata": {"name": "a", "ownerReferences": [{"kind": "X"}]}}, 422, "metadata.ownerReferences[0].uid"),
        ([], 400, "must be of type object"),
    ],
)
async def test_a_wrong_object_is_refused_by_field(api, body, code, words):
    refused = await api("POST", CONFIG_MAPS, body)
    assert refused.code == code
    assert words in refused.body["message"]


async def test_nothing_is_created_in_a_namespace_that_is_not_there(api):
    refused = await api("POST", "/api/v1/namespaces/none/configmaps", config_map())
    assert (refused.code, refused.body["message"]) == (404, 'namespaces "none" not found')


async def test_dry_run_answers_as_if_and_stores_nothing(api):
    assert (await api("POST", CONFIG_MAPS, config_map(), dryRun="All")).code == 201
    assert (await api("GET", f"{CONFIG_MAPS}/a")).code == 404
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    path = "/api/v1/namespaces/default/services"
    first = (await api("POST", path, service, dryRun="All")).body["spec"]["clusterIP"]
    assert (await api("POST", path, service)).body["spec"]["clusterIP"] == first


async def test_an_update_with_a_stale_version_is_a_conflict(api):
    made = (await api("POST", CONFIG_MAPS, config_map(x="1"))).body
    changed = await api("PUT", f"{CONFIG_MAPS}/a", {**made, "data": {"x": "2"}})
    assert changed.code == 200
    stale = await api("PUT", f"{CONFIG_MAPS}/a", {**made, "data": {"x": "3"}})
    assert (stale.code, stale.reason) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in stale.body["message"]


async def test_an_update_that_changes_nothing_writes_nothing(api):
    made = (await api("POST", CONFIG_MAPS, config_map(x="1"))).body
    assert (await api("PUT", f"{CONFIG_MAPS}/a", made)).body == made
    assert (await api.merge(f"{CONFIG_MAPS}/a", {"data": {"x": "1"}})).body == made


async def test_the_uid_of_another_object_is_a_conflict(api):
    made = (await api("POST", CONFIG_MAPS, config_map())).body
    del made["metadata"]["resourceVersion"]
    made["metadata"]["uid"] = "another"
    refused = await api("PUT", f"{CONFIG_MAPS}/a", made)
    assert refused.code == 409
    assert "Precondition failed: UID in precondition: another" in refused.body["message"]


async def test_a_custom_resource_is_updated_only_from_a_known_version(api, definition):
    await api("POST", CRDS, definition)
    made = (await api("POST", WORKSPACES, WORKSPACE)).body
    del made["metadata"]["resourceVersion"]
    refused = await api("PUT", f"{WORKSPACES}/phi", made)
    assert refused.code == 422
    assert "metadata.resourceVersion: Invalid value" in refused.body["message"]


async def test_status_and_the_rest_are_written_apart(api, definition):
    await api("POST", CRDS, definition)
    made = (await api("POST", WORKSPACES, {**WORKSPACE, "status": {"replicas": 9}})).body
    assert "status" not in made
    assert made["metadata"]["generation"] == 1
    body = {"status": {"replicas": 1}, "resource": {"count": 7}, "metadata": {"labels": {"a": "b"}}}
    reported = (await api.merge(f"{WORKSPACES}/phi/status", body)).body
    assert reported["status"] == {"replicas": 1}
    assert reported["resource"]["count"] == 1
    assert "labels" not in reported["metadata"]
    assert reported["metadata"]["generation"] == 1
    changed = (await api.merge(f"{WORKSPACES}/phi", body | {"status": {"replicas": 5}})).body
    assert (changed["status"], changed["resource"]["count"], changed["metadata"]["generation"]) == (
        {"replicas": 1},
        7,
        2,
    )
    managers = {(entry["manager"], entry.get("subresource", "")) for entry in changed["metadata"]["managedFields"]}
    assert ("tester", "status") in managers


async def test_labels_and_annotations_count_no_generation(api):
    deployment = {
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD["spec"]},
        },
    }
    await api("POST", DEPLOYMENTS, deployment)
    labelled = await api.merge(f"{DEPLOYMENTS}/web", {"metadata": {"labels": {"a": "b"}}})
    assert labelled.body["metadata"]["generation"] == 1
    scaled = await api.merge(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}})
    assert scaled.body["metadata"]["generation"] == 2


async def test_a_failing_json_patch_test_is_unprocessable(api):
    await api("POST", CONFIG_MAPS, config_map(x="1"))
    patch = [{"op": "test", "path": "/data/x", "value": "2"}]
    refused = await api("PATCH", f"{CONFIG_MAPS}/a", patch, media="application/json-patch+json")
    assert refused.code == 422


async def test_unknown_fields_are_refused_warned_about_or_dropped(api, definition):
    await api("POST", CRDS, definition)
    wrong = {**WORKSPACE, "resource": {**WORKSPACE["resource"], "size": 1}}
    strict = await api("POST", WORKSPACES, wrong, fieldValidation="Strict")
    assert strict.code == 400
    assert strict.body["message"] == (
        'Workspace in version "v1" cannot be handled as a Workspace: '
        'strict decoding error: unknown field "resource.size"'
    )
    warned = await api("POST", WORKSPACES, wrong, dryRun="All")
    assert warned.headers.getall("Warning") == ['299 - "unknown field \\"resource.size\\""']
    assert "size" not in warned.body["resource"]
    ignored = await api("POST", WORKSPACES, wrong, fieldValidation="Ignore")
    assert "Warning" not in ignored.headers


async def test_apply_creates_then_changes_and_removes_what_it_leaves_out(api):
    first = await api.apply(f"{CONFIG_MAPS}/a", config_map(x="1", y="2"))
    assert first.code == 201
    second = await api.apply(f"{CONFIG_MAPS}/a", config_map(x="3"))
    assert (second.code, second.body["data"]) == (200, {"x": "3"})
    assert (await api.apply(f"{CONFIG_MAPS}/a", config_map(x="3"))).body == second.body


async def test_apply_of_anothers_field_is_a_conflict_that_force_wins(api):
    await api.apply(f"{CONFIG_MAPS}/a", config_map(x="1"), manager="one")
    refused = await api.apply(f"{CONFIG_MAPS}/a", config_map(x="2"), manager="two")
    assert (refused.code, refused.reason) == (409, "Conflict")
    cause = refused.body["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.x")
    forced = await api.apply(f"{CONFIG_MAPS}/a", config_map(x="2"), manager="two", force="true")
    assert forced.body["data"] == {"x": "2"}


async def test_apply_with_a_uid_never_creates(api):
    body = config_map()
    body["metadata"]["uid"] = "gone"
    refused = await api.apply(f"{CONFIG_MAPS}/a", body)
    assert refused.code == 409
    assert "uid mismatch" in refused.body["message"]
    await api("POST", CONFIG_MAPS, config_map())
    assert (await api.apply(f"{CONFIG_MAPS}/a", body)).code == 422


async def test_apply_of_a_status_that_has_no_object_is_not_found(api):
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "status": {"phase": "Running"}}
    assert (await api.apply(f"{PODS}/web/status", body)).code == 404


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ({"fieldManager": ""}, config_map(), 422),
        ({"fieldManager": "x"}, {"metadata": {"managedFields": [{}]}}, 400),
    ],
)
async def test_a_wrong_apply_is_refused(api, query, body, code):
    refused = await api("PATCH", f"{CONFIG_MAPS}/a", body, media="application/apply-patch+yaml", **query)
    assert refused.code == code


async def test_force_belongs_to_apply_alone(api):
    await api("POST", CONFIG_MAPS, config_map())
    assert (await api.merge(f"{CONFIG_MAPS}/a", {}, force="true")).code == 422


async def test_the_template_of_a_running_pod_cannot_change(api):
    await api("POST", PODS, POD)
    refused = await api.merge(f"{PODS}/web", {"spec": {"hostNetwork": True}})
    assert refused.code == 422
    assert "spec: Forbidden: pod updates may not change fields other than" in refused.body["message"]
    image = await api(
        "PATCH",
        f"{PODS}/web",
        {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}},
        media="application/strategic-merge-patch+json",
    )
    assert image.body["spec"]["containers"][0]["image"] == "nginx:2"
