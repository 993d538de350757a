"""Scale, binding and what is not served."""

import pytest

PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
POD_SPEC = {"containers": [{"name": "main", "image": "nginx"}]}
DEPLOYMENT = {
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD_SPEC},
    },
}


async def test_scale_reads_and_writes_the_replicas(api):
    await api("POST", DEPLOYMENTS, DEPLOYMENT)
    scale = (await api("GET", f"{DEPLOYMENTS}/web/scale")).body
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "app=web"})
    scale["spec"]["replicas"] = 0
    assert (await api("PUT", f"{DEPLOYMENTS}/web/scale", scale)).body["spec"] == {}
    assert (await api.merge(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 5}})).code == 200
    live = (await api("GET", f"{DEPLOYMENTS}/web")).body
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (5, 3)
    assert (await api("PUT", f"{DEPLOYMENTS}/web/scale", scale)).code == 409
    assert (await api.merge(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": -1}})).code == 422


async def test_a_pod_is_bound_once(api):
    await api("POST", PODS, {"metadata": {"name": "web"}, "spec": POD_SPEC})
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "gpu-1"}}
    assert (await api("POST", f"{PODS}/web/binding", binding)).code == 201
    pod = (await api("GET", f"{PODS}/web")).body
    assert pod["spec"]["nodeName"] == "gpu-1"
    assert pod["status"]["conditions"][0]["type"] == "PodScheduled"
    again = await api("POST", f"{PODS}/web/binding", binding)
    assert again.code == 409
    assert 'pod web is already assigned to node "gpu-1"' in again.body["message"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", f"{PODS}/web/exec?command=date&stdout=1", 400),
        ("GET", f"{PODS}/web/proxy", 404),
        ("GET", f"{PODS}/web/nothing", 404),
        ("GET", f"{PODS}/none/log", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a/status", 404),
        ("POST", f"{PODS}/web", 405),
        ("PUT", PODS, 405),
        ("OPTIONS", PODS, 405),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
        ("GET", "/api/v1/unicorns", 404),
        ("GET", "/apis/nothing.org/v1/things", 404),
        ("GET", "/nothing", 404),
    ],
)
async def test_what_is_not_served_says_so(api, method, path, code):
    await api("POST", PODS, {"metadata": {"name": "web"}, "spec": POD_SPEC})
    answer = await api(method, path)
    assert answer.code == code
    assert answer.body["kind"] == "Status"
    assert answer.body["message"]
