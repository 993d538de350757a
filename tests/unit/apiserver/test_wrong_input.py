"""Whatever a client sends, the answer is a refusal, never an internal error."""

import copy
import random
from typing import Any

import pytest

CONTAINER = {
    "name": "main",
    "image": "nginx",
    "env": [{"name": "A", "value": "b"}],
    "resources": {"limits": {"cpu": "1"}},
    "ports": [{"containerPort": 80}],
    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
}
META = {
    "name": "web",
    "generateName": "w-",
    "labels": {"app": "web"},
    "annotations": {"a": "b"},
    "finalizers": ["example.org/x"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u", "controller": True}],
}
POD_SPEC = {
    "containers": [CONTAINER],
    "volumes": [{"name": "v"}],
    "tolerations": [{"key": "a"}],
    "restartPolicy": "Never",
}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD_SPEC}
ALWAYS = {**TEMPLATE, "spec": {**POD_SPEC, "restartPolicy": "Always"}}
GROUPS = "/apis/{}/namespaces/default/{}"
OBJECTS: dict[str, Any] = {
    "/api/v1/namespaces/default/pods": {"metadata": META, "spec": POD_SPEC},
    "/api/v1/namespaces/default/services": {
        "metadata": META,
        "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}},
    },
    "/api/v1/namespaces/default/secrets": {"metadata": META, "data": {"a": "YQ=="}, "stringData": {"b": "c"}},
    "/api/v1/namespaces/default/events": {"metadata": META, "involvedObject": {"namespace": "default"}},
    "/api/v1/nodes": {
        "metadata": META,
        "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
        "status": {"capacity": {"cpu": 1}},
    },
    GROUPS.format("apps/v1", "deployments"): {
        "metadata": META,
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": ALWAYS, "replicas": 1},
    },
    GROUPS.format("batch/v1", "jobs"): {"metadata": META, "spec": {"template": TEMPLATE}},
    GROUPS.format("discovery.k8s.io/v1", "endpointslices"): {
        "metadata": META,
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"port": 80}],
    },
}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WRONG: tuple[Any, ...] = (
    None,
    5,
    -1.5,
    "",
    "text",
    True,
    [],
    [None],
    ["x"],
    [5],
    {},
    {"x": None},
    {"x": [1]},
    [{}],
    [[]],
)


def spoiled(obj: Any, dice: random.Random) -> Any:
    """Put something wrong in a random place."""
    result = copy.deepcopy(obj)
    node = result
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = dice.choice(keys)
        if isinstance(node[key], dict | list) and node[key] and dice.random() < 0.75:
            node = node[key]
            continue
        node[key] = dice.choice(WRONG)
        return result


@pytest.mark.parametrize("path", OBJECTS)
async def test_a_spoiled_object_is_taken_or_refused_in_every_verb(api, path):
    dice = random.Random(path)
    assert (await api("POST", path, OBJECTS[path])).code == 201
    for _ in range(60):
        body = spoiled(OBJECTS[path], dice)
        for answer in (
            await api("POST", path, body, dryRun="All"),
            await api("PUT", f"{path}/web", body, dryRun="All"),
            await api.merge(f"{path}/web", body, dryRun="All"),
            await api.merge(f"{path}/web/status", body, dryRun="All"),
            await api.apply(f"{path}/web", body, force="true", dryRun="All"),
            await api("PATCH", f"{path}/web", body, media="application/strategic-merge-patch+json", dryRun="All"),
        ):
            assert answer.code < 500 or "reason" not in answer.body, (body, answer.body["message"])


async def test_a_spoiled_definition_is_taken_or_refused(api, definition):
    dice = random.Random("definitions")
    for _ in range(150):
        body = spoiled(definition, dice)
        answer = await api("POST", CRDS, body, dryRun="All")
        assert answer.code < 500, (body, answer.body["message"])


@pytest.mark.parametrize("verb", ["eviction", "binding", "scale"])
async def test_a_spoiled_subresource_is_refused(api, verb):
    path = "/api/v1/namespaces/default/pods"
    if verb == "scale":
        path = GROUPS.format("apps/v1", "deployments")
    await api("POST", path, OBJECTS[path])
    for wrong in WRONG:
        for body in (wrong, {"target": wrong, "deleteOptions": wrong, "spec": wrong, "metadata": wrong}):
            for method in ("POST", "PUT"):
                answer = await api(method, f"{path}/web/{verb}", body, dryRun="All")
                assert answer.code < 500, (verb, body, answer.body["message"])
    for wrong in WRONG:
        answer = await api("DELETE", f"{path}/web", {"preconditions": wrong, "dryRun": wrong}, dryRun="All")
        assert answer.code < 500, (wrong, answer.body)


@pytest.mark.parametrize(
    "kind", ["json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"]
)
async def test_a_spoiled_patch_is_refused(api, kind):
    path = "/api/v1/namespaces/default/pods"
    await api("POST", path, OBJECTS[path])
    operations = [[{"op": wrong, "path": wrong, "value": wrong}] for wrong in WRONG]
    operations += [[{"op": "add", "path": place, "value": 5}] for place in ("", "/metadata", "/spec/x/y", "/kind", "x")]
    for body in (
        *WRONG,
        *operations,
        {"$patch": "delete"},
        {"spec": {"containers": [{"$patch": 5}]}},
        {"spec": {"$patch": "x"}},
    ):
        for target in (f"{path}/web", f"{path}/web/status"):
            answer = await api("PATCH", target, body, media=f"application/{kind}", fieldManager="x", dryRun="All")
            assert answer.code < 500 or "reason" not in answer.body, (kind, body, answer.body["message"])
