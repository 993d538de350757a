"""What the built-in kinds add, over HTTP: what they fill in, refuse, and keep."""

import base64

import pytest

NAMESPACE = "/api/v1/namespaces/default"
PODS, SERVICES, SECRETS = f"{NAMESPACE}/pods", f"{NAMESPACE}/services", f"{NAMESPACE}/secrets"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
APPS = "/apis/apps/v1/namespaces/default"
CONTAINER = {"name": "main", "image": "nginx"}


def pod(**spec) -> dict:
    return {"metadata": {"name": "web"}, "spec": {"containers": [CONTAINER], **spec}}


def workload(**spec) -> dict:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
    return {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


async def test_a_pod_is_filled_in_as_by_a_real_server(api):
    made = (await api("POST", PODS, pod())).body
    spec = made["spec"]
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    assert spec["containers"][0]["terminationMessagePath"] == "/dev/termination-log"
    assert (spec["restartPolicy"], spec["dnsPolicy"], spec["schedulerName"]) == (
        "Always",
        "ClusterFirst",
        "default-scheduler",
    )
    assert (spec["terminationGracePeriodSeconds"], spec["serviceAccountName"], spec["priority"]) == (30, "default", 0)
    assert [item["tolerationSeconds"] for item in spec["tolerations"]] == [300, 300]
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}, "Burstable"),
    ],
)
async def test_the_quality_of_service_follows_from_the_resources(api, resources, quality):
    made = (await api("POST", PODS, pod(containers=[{**CONTAINER, "resources": resources}]))).body
    assert made["status"]["qosClass"] == quality


async def test_an_empty_environment_variable_loses_its_value(api):
    made = await api("POST", PODS, pod(containers=[{**CONTAINER, "env": [{"name": "A", "value": ""}]}]))
    assert made.body["spec"]["containers"][0]["env"] == [{"name": "A"}]


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"containers": []}, "spec.containers: Required value"),
        ({"containers": [{"name": "a"}]}, "spec.containers[0].image: Required value"),
        ({"containers": [CONTAINER, CONTAINER]}, 'spec.containers[1].name: Duplicate value: "main"'),
        (
            {"containers": [{**CONTAINER, "volumeMounts": [{"name": "x", "mountPath": "/x"}]}]},
            'spec.containers[0].volumeMounts[0].name: Not found: "x"',
        ),
    ],
)
async def test_a_wrong_pod_is_refused_by_field(api, spec, cause):
    refused = await api("POST", PODS, pod(**spec))
    assert refused.code == 422
    assert cause in refused.body["message"]


@pytest.mark.parametrize(
    ("plural", "body", "cause"),
    [
        (
            "deployments",
            workload(selector={"matchLabels": {"app": "other"}}),
            "`selector` does not match template `labels`",
        ),
        ("deployments", workload(selector={}), "empty selector is invalid for deployment"),
        ("statefulsets", workload(replicas=-1), "spec.replicas: Invalid value: -1"),
        ("deployments", {"metadata": {"name": "web"}}, "spec.template.spec.containers: Required value"),
    ],
)
async def test_a_wrong_workload_is_refused_by_field(api, plural, body, cause):
    refused = await api("POST", f"{APPS}/{plural}", body)
    assert refused.code == 422
    assert cause in refused.body["message"]


async def test_what_a_workload_may_not_change_is_refused(api):
    await api("POST", f"{APPS}/deployments", workload())
    selector = {"spec": {"selector": {"matchLabels": {"app": "web", "x": "y"}}}}
    template = {"spec": {"template": {"metadata": {"labels": {"x": "y"}}}}}
    refused = await api.merge(f"{APPS}/deployments/web", {"spec": {**selector["spec"], **template["spec"]}})
    assert "field is immutable" in refused.body["message"]
    await api("POST", f"{APPS}/statefulsets", workload(serviceName="a"))
    forbidden = await api.merge(f"{APPS}/statefulsets/web", {"spec": {"serviceName": "b"}})
    assert "updates to statefulset spec for fields other than 'replicas'" in forbidden.body["message"]
    assert (await api.merge(f"{APPS}/statefulsets/web", {"spec": {"replicas": 2}})).code == 200


async def test_a_job_selects_its_own_pods_by_its_uid(api):
    template = {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
    made = (await api("POST", JOBS, {"metadata": {"name": "tune"}, "spec": {"template": template}})).body
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "tune"
    assert made["metadata"]["labels"]["job-name"] == "tune"
    assert made["spec"]["backoffLimit"] == 6
    wrong = {"metadata": {"name": "b"}, "spec": {"template": {"spec": {"containers": [CONTAINER]}}}}
    refused = await api("POST", JOBS, wrong)
    assert 'restartPolicy: Required value: valid values: "OnFailure", "Never"' in refused.body["message"]
    assert (await api.merge(f"{JOBS}/tune", {"spec": {"completions": 3}})).code == 422


async def test_a_service_keeps_its_address_for_life(api):
    made = (await api("POST", SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})).body
    spec = made["spec"]
    assert spec["clusterIP"].startswith("127.96.")
    assert (spec["clusterIPs"], spec["type"]) == ([spec["clusterIP"]], "ClusterIP")
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    replaced = {**made, "spec": {"ports": [{"port": 81}]}}
    assert (await api("PUT", f"{SERVICES}/web", replaced)).body["spec"]["clusterIP"] == spec["clusterIP"]
    refused = await api.merge(f"{SERVICES}/web", {"spec": {"clusterIP": "127.96.0.9", "clusterIPs": None}})
    assert "may not change once set" in refused.body["message"]
    await api("DELETE", f"{SERVICES}/web")
    wanted = {"metadata": {"name": "b"}, "spec": {"ports": [{"port": 80}], "clusterIP": spec["clusterIP"]}}
    assert (await api("POST", SERVICES, wanted)).code == 201


async def test_a_headless_service_has_no_address(api):
    body = {"metadata": {"name": "web"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}}}
    assert (await api("POST", SERVICES, body)).body["spec"]["clusterIPs"] == ["None"]


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({}, "spec.ports: Required value"),
        ({"ports": [{"port": 80}, {"port": 81}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535"),
        ({"ports": [{"port": 80}], "clusterIP": "10.0.0.1"}, "not in the valid range"),
    ],
)
async def test_a_wrong_service_is_refused_by_field(api, spec, cause):
    refused = await api("POST", SERVICES, {"metadata": {"name": "web"}, "spec": spec})
    assert refused.code == 422
    assert cause in refused.body["message"]


async def test_plain_text_of_a_secret_becomes_data(api):
    made = (await api("POST", SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})).body
    assert (made["data"], made["type"]) == ({"a": base64.b64encode(b"b").decode()}, "Opaque")
    assert "stringData" not in made
    assert (await api.merge(f"{SECRETS}/s", {"type": "other"})).code == 422
    wrong = await api("POST", SECRETS, {"metadata": {"name": "w"}, "data": {"a": "not base64!"}})
    assert (wrong.code, "illegal base64 data" in wrong.body["message"]) == (400, True)
    assert "not base64!" not in wrong.body["message"]


async def test_immutable_data_stays(api):
    path = f"{NAMESPACE}/configmaps"
    await api("POST", path, {"metadata": {"name": "a"}, "data": {"x": "1"}, "immutable": True})
    refused = await api.merge(f"{path}/a", {"data": {"x": "2"}})
    assert "data: Forbidden: field is immutable when `immutable` is set" in refused.body["message"]
    assert (await api.merge(f"{path}/a", {"metadata": {"labels": {"a": "b"}}})).code == 200


async def test_a_node_may_register_with_its_status_and_label_itself_through_it(api):
    body = {"metadata": {"name": "gpu-1"}, "status": {"capacity": {"cpu": "2000m", "nvidia.com/gpu": "1"}}}
    made = (await api("POST", "/api/v1/nodes", body)).body
    assert made["status"]["capacity"] == {"cpu": "2", "nvidia.com/gpu": "1"}
    patch = {"metadata": {"annotations": {"a": "b"}}, "status": {"phase": "Running"}}
    reported = await api.merge("/api/v1/nodes/gpu-1/status", patch)
    assert reported.body["metadata"]["annotations"] == {"a": "b"}


async def test_an_event_belongs_to_the_namespace_of_what_it_is_about(api):
    body = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "other"}}
    refused = await api("POST", f"{NAMESPACE}/events", body)
    assert "does not match event.namespace" in refused.body["message"]


async def test_an_event_of_the_new_group_is_stored_in_the_old_form(api):
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    body = {
        "metadata": {"name": "e"},
        "regarding": {"namespace": "default", "name": "x"},
        "note": "hello",
        "reason": "Started",
        "type": "Normal",
        "action": "Start",
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingController": "me",
        "reportingInstance": "me-1",
    }
    assert (await api("POST", path, body)).body["note"] == "hello"
    stored = (await api("GET", f"{NAMESPACE}/events/e")).body
    assert (stored["message"], stored["involvedObject"]["name"], stored["reportingComponent"]) == ("hello", "x", "me")
