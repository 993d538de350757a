import copy

import pytest

from kaito.apiserver.schema import apply_defaults, builtin_schema
from kaito.apiserver.schema.builtin import _KINDS, _table
from kaito.apiserver.schema.builtin_defaults import _DEFAULTS


def workload(api_version, kind, **spec):
    container = {"name": "a", "image": "i:1"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "w"}, "spec": {"template": template, **spec}}


def pod(container=None, **spec):
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": "i:1", **(container or {})}], **spec},
    }


def test_a_pod_is_filled_in():
    result = apply_defaults("v1", "Pod", pod())
    assert result["spec"] == {
        "containers": [
            {
                "name": "a",
                "image": "i:1",
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "resources": {},
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.2", "IfNotPresent"),
        ("reg:5000/nginx", "Always"),
        ("reg:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image, policy):
    assert apply_defaults("v1", "Pod", pod({"image": image}))["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_probes_ports_and_volumes_are_filled_in():
    container = {"readinessProbe": {"httpGet": {"port": 80}}, "ports": [{"containerPort": 80}]}
    volumes = [
        {"name": "none"},
        {"name": "c", "configMap": {"name": "x"}},
        {"name": "s", "secret": {"secretName": "x"}},
        {"name": "h", "hostPath": {"path": "/"}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ]
    spec = apply_defaults("v1", "Pod", pod(container, volumes=volumes))["spec"]
    assert spec["containers"][0]["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert spec["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert spec["volumes"] == [
        {"name": "none", "emptyDir": {}},
        {"name": "c", "configMap": {"name": "x", "defaultMode": 420}},
        {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}},
        {"name": "h", "hostPath": {"path": "/", "type": ""}},
        {
            "name": "p",
            "projected": {
                "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                "defaultMode": 420,
            },
        },
    ]


def test_requests_follow_limits_in_a_pod_but_not_in_a_template():
    limits = {"resources": {"limits": {"cpu": "1", "nvidia.com/gpu": 1}, "requests": {"cpu": "500m"}}}
    spec = apply_defaults("v1", "Pod", pod(limits))["spec"]
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "500m", "nvidia.com/gpu": "1"}
    deployment = workload("apps/v1", "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0].update(limits)
    template = apply_defaults("apps/v1", "Deployment", deployment)["spec"]["template"]
    assert template["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m"}


@pytest.mark.parametrize(
    ("api_version", "kind", "given_spec", "expected"),
    [
        (
            "apps/v1",
            "Deployment",
            {},
            {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            },
        ),
        (
            "apps/v1",
            "Deployment",
            {"replicas": 0, "strategy": {"type": "Recreate"}},
            {"replicas": 0, "strategy": {"type": "Recreate"}},
        ),
        (
            "apps/v1",
            "Deployment",
            {"strategy": {"rollingUpdate": {"maxSurge": 0}}},
            {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}},
        ),
        ("apps/v1", "ReplicaSet", {}, {"replicas": 1}),
        (
            "apps/v1",
            "StatefulSet",
            {},
            {
                "replicas": 1,
                "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            },
        ),
        (
            "apps/v1",
            "DaemonSet",
            {},
            {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}},
        ),
        ("batch/v1", "Job", {}, {"completions": 1, "parallelism": 1, "backoffLimit": 6, "suspend": False}),
        ("batch/v1", "Job", {"parallelism": 3}, {"parallelism": 3, "completionMode": "NonIndexed"}),
    ],
)
def test_workloads_are_filled_in(api_version, kind, given_spec, expected):
    spec = apply_defaults(api_version, kind, workload(api_version, kind, **given_spec))["spec"]
    assert expected.items() <= spec.items()
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert ("completions" in spec) == ("completions" in expected)


@pytest.mark.parametrize(
    ("given_spec", "expected"),
    [
        ({}, {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}),
        (
            {"ports": [{"port": 80}, {"port": 81, "targetPort": "http", "protocol": "UDP"}]},
            {
                "ports": [
                    {"port": 80, "protocol": "TCP", "targetPort": 80},
                    {"port": 81, "targetPort": "http", "protocol": "UDP"},
                ]
            },
        ),
        ({"type": "LoadBalancer"}, {"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}),
        ({"sessionAffinity": "ClientIP"}, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}),
    ],
)
def test_services_are_filled_in(given_spec, expected):
    assert expected.items() <= apply_defaults("v1", "Service", {"spec": given_spec})["spec"].items()


NO_NODE_INFO = dict.fromkeys(
    (
        "machineID",
        "systemUUID",
        "bootID",
        "kernelVersion",
        "osImage",
        "containerRuntimeVersion",
        "kubeletVersion",
        "kubeProxyVersion",
        "operatingSystem",
        "architecture",
    ),
    "",
)


@pytest.mark.parametrize(
    ("api_version", "kind", "obj", "expected"),
    [
        ("v1", "Secret", {}, {"metadata": {}, "type": "Opaque"}),
        (
            "v1",
            "Namespace",
            {"metadata": {"name": "n"}},
            {
                "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            },
        ),
        (
            "v1",
            "Node",
            {"status": {"capacity": {"memory": "1024Mi"}}},
            {
                "metadata": {},
                "spec": {},
                "status": {
                    "capacity": {"memory": "1Gi"},
                    "allocatable": {"memory": "1Gi"},
                    "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
                    "nodeInfo": NO_NODE_INFO,
                },
            },
        ),
        ("v1", "ConfigMap", {"data": {"a": "b"}, "immutable": None}, {"metadata": {}, "data": {"a": "b"}}),
        (
            "discovery.k8s.io/v1",
            "EndpointSlice",
            {"addressType": "IPv4", "endpoints": [], "ports": [{"port": 1}]},
            {
                "metadata": {},
                "addressType": "IPv4",
                "endpoints": [],
                "ports": [{"port": 1, "protocol": "TCP", "name": ""}],
            },
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            {"spec": {"names": {"kind": "Workspace", "plural": "workspaces"}}},
            {
                "spec": {
                    "names": {
                        "kind": "Workspace",
                        "plural": "workspaces",
                        "singular": "workspace",
                        "listKind": "WorkspaceList",
                    },
                    "conversion": {"strategy": "None"},
                }
            },
        ),
        ("example.org/v1", "Unknown", {"spec": None}, {"spec": None}),
    ],
)
def test_other_kinds_are_filled_in(api_version, kind, obj, expected):
    assert apply_defaults(api_version, kind, obj) == expected


@pytest.mark.parametrize(("api_version", "kind"), [*_KINDS])
def test_defaults_are_known_fields_and_come_only_once(api_version, kind):
    obj = (
        workload(api_version, kind)
        if api_version.startswith(("apps", "batch"))
        else {"metadata": {"name": "x"}, "spec": {}}
    )
    if kind.endswith("WebhookConfiguration") or kind in {
        *("ConfigMap", "Secret", "ServiceAccount", "Endpoints", "EndpointSlice", "Event"),
    }:
        del obj["spec"]
    before = copy.deepcopy(obj)
    once = apply_defaults(api_version, kind, obj)
    assert obj == before
    assert apply_defaults(api_version, kind, once) == once
    assert builtin_schema(api_version, kind).prune(copy.deepcopy(once)) == []


def test_every_default_belongs_to_a_type_of_the_table():
    assert set(_DEFAULTS) <= set(_table())
