"""The front door: who may enter, discovery, health, and the audit log."""

import json

import aiohttp
import pytest

TABLE_OF_GROUPS = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic abc", "Bearer"])
async def test_nobody_enters_without_the_token(server, header):
    headers = {"Authorization": header} if header else {}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{server.url}/api/v1/pods", ssl=False) as refused:
            assert (refused.status, (await refused.json())["reason"]) == (401, "Unauthorized")
        for path in ("/healthz", "/readyz", "/livez", "/version"):
            async with session.get(server.url + path, ssl=False) as answer:
                assert answer.status == 200


async def test_the_version_is_of_kubernetes_and_says_that_it_is_not_kubernetes(api):
    assert (await api("GET", "/version")).body["gitVersion"].endswith("+kaito")


async def test_discovery_in_both_forms_tells_the_same(api, definition):
    await api("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    for root, core in (("/api", True), ("/apis", False)):
        aggregated = await api("GET", root, accept=TABLE_OF_GROUPS)
        assert "as=APIGroupDiscoveryList" in aggregated.headers["Content-Type"]
        for group in aggregated.body["items"]:
            for version in group["versions"]:
                path = (
                    f"/api/{version['version']}" if core else f"/apis/{group['metadata']['name']}/{version['version']}"
                )
                listed = (await api("GET", path)).body["resources"]
                names = {entry["name"] for entry in listed if "/" not in entry["name"]}
                assert names == {entry["resource"] for entry in version["resources"]}
    workspaces = (await api("GET", "/apis/example.org/v1")).body["resources"]
    assert [entry["name"] for entry in workspaces] == ["workspaces", "workspaces/status", "workspaces/scale"]
    assert workspaces[2]["kind"] == "Scale"
    assert (await api("GET", "/apis/example.org")).body["kind"] == "APIGroup"
    assert (await api("GET", "/apis/nothing.org")).code == 404


async def test_openapi_has_a_document_for_every_group_version(api):
    index = (await api("GET", "/openapi/v3")).body["paths"]
    assert {"api/v1", "apis/apps/v1"} <= set(index)
    for path in index:
        assert (await api("GET", f"/openapi/v3/{path}")).body["openapi"].startswith("3.")
    assert (await api("GET", "/openapi/v2")).body["swagger"] == "2.0"
    assert (await api("GET", "/openapi/v3/apis/none/v1")).code == 404


async def test_a_changed_definition_changes_the_document_and_its_hash(api, definition):
    path, document = "apis/example.org/v1", "/openapi/v3/apis/example.org/v1"
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    made = (await api("POST", crds, definition)).body
    before = (await api("GET", "/openapi/v3")).body["paths"][path]
    schema = made["spec"]["versions"][1]["schema"]["openAPIV3Schema"]
    schema["properties"]["resource"]["properties"]["zone"] = {"type": "string"}
    await api("PUT", f"{crds}/workspaces.example.org", made)
    assert (await api("GET", "/openapi/v3")).body["paths"][path] != before
    assert "zone" in json.dumps((await api("GET", document)).body)


async def test_a_body_above_the_limit_is_refused(api):
    body = {"metadata": {"name": "big"}, "data": {"x": "x" * (4 << 20)}}
    refused = await api("POST", "/api/v1/namespaces/default/configmaps", body)
    assert (refused.code, refused.reason) == (413, "RequestEntityTooLarge")


async def test_the_audit_log_tells_who_did_what_when_and_no_secret(start, tmp_path):
    log = tmp_path / "logs" / "audit.log"
    running, api = await start(audit_log_path=log)
    path = "/api/v1/namespaces/default/secrets"
    made = (await api("POST", path, {"metadata": {"name": "s"}, "stringData": {"password": "hunter2"}})).body
    await api("GET", f"{path}/none")
    running.flush_audit_log()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    created, missing = lines[-2:]
    assert created["verb"] == "create"
    assert created["objectRef"] == {
        "resource": "secrets",
        "namespace": "default",
        "name": "s",
        "apiVersion": "v1",
        "resourceVersion": made["metadata"]["resourceVersion"],
    }
    assert created["annotations"] == {"kaito.sh/resource-version": made["metadata"]["resourceVersion"]}
    assert created["userAgent"] == "tester/1.0"
    assert created["requestReceivedTimestamp"] <= created["stageTimestamp"]
    assert (missing["verb"], missing["responseStatus"]["code"]) == ("get", 404)
    assert missing["responseStatus"]["reason"] == "NotFound"
    assert "message" not in missing["responseStatus"]
    assert "hunter2" not in log.read_text()
    assert running.token not in log.read_text()
