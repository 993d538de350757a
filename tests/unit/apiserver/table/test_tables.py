from datetime import UTC, datetime

import pytest

from kaito.apiserver.table import builtin_table, crd_table
from kaito.apiserver.table.cells import BUILTIN_CELLS
from kaito.apiserver.table.columns import BUILTIN_COLUMNS

NOW = datetime(2026, 1, 2, 3, 10, 0, tzinfo=UTC)
META = {"name": "x", "creationTimestamp": "2026-01-02T03:05:00Z"}
TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}}
SELECTOR = {"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["2", "1"]}]}
APPS = {"template": TEMPLATE, "selector": SELECTOR, "replicas": 3}


def node(ready="True", **spec):
    status = {
        "conditions": [{"type": "Ready", "status": ready}],
        "nodeInfo": {"kubeletVersion": "v1", "osImage": "Linux"},
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
    }
    return {"metadata": {**META, "labels": {"node-role.kubernetes.io/gpu": ""}}, "spec": spec, "status": status}


def service(**spec):
    return {"metadata": META, "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.9", **spec}}


def event(**more):
    return {
        "metadata": META,
        "involvedObject": {"kind": "Pod", "name": "p"},
        "type": "Normal",
        "reason": "R",
        "message": " m\n",
        **more,
    }


@pytest.mark.parametrize(
    ("api_version", "kind", "obj", "cells"),
    [
        (
            "v1",
            "Node",
            node(),
            ["x", "Ready", "gpu", "5m", "v1", "10.0.0.1", "<none>", "Linux", "<unknown>", "<unknown>"],
        ),
        ("v1", "Node", node("False", unschedulable=True), ["x", "NotReady,SchedulingDisabled"]),
        ("v1", "Node", node("Unknown"), ["x", "NotReady"]),
        ("v1", "Node", {"metadata": META}, ["x", "Unknown", "<none>"]),
        (
            "v1",
            "Service",
            service(ports=[{"port": 80, "protocol": "TCP"}, {"port": 29500, "protocol": "TCP"}], selector={"a": "b"}),
            ["x", "ClusterIP", "10.0.0.9", "<none>", "80/TCP,29500/TCP", "5m", "a=b"],
        ),
        ("v1", "Service", service(clusterIP="None"), ["x", "ClusterIP", "None", "<none>", "<none>", "5m", "<none>"]),
        (
            "v1",
            "Service",
            service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}]),
            ["x", "NodePort", "10.0.0.9", "<none>", "80:30080/TCP"],
        ),
        ("v1", "Service", service(type="LoadBalancer"), ["x", "LoadBalancer", "10.0.0.9", "<pending>"]),
        (
            "apps/v1",
            "Deployment",
            {
                "metadata": META,
                "spec": APPS,
                "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1},
            },
            ["x", "1/3", 2, 1, "5m", "a,b", "i:1,j:2", "app=x,k in (1,2)"],
        ),
        (
            "apps/v1",
            "ReplicaSet",
            {"metadata": META, "spec": APPS, "status": {"replicas": 2}},
            ["x", 3, 2, 0, "5m", "a,b", "i:1,j:2", "app=x,k in (1,2)"],
        ),
        ("apps/v1", "StatefulSet", {"metadata": META, "spec": APPS}, ["x", "0/3", "5m", "a,b", "i:1,j:2"]),
        (
            "apps/v1",
            "DaemonSet",
            {"metadata": META, "spec": APPS, "status": {"desiredNumberScheduled": 2, "numberReady": 1}},
            ["x", 2, 0, 1, 0, 0, "<none>", "5m", "a,b", "i:1,j:2", "app=x,k in (1,2)"],
        ),
        (
            "batch/v1",
            "Job",
            {"metadata": META, "spec": {**APPS, "completions": 1}, "status": {"startTime": "2026-01-02T03:09:00Z"}},
            ["x", "Running", "0/1", "60s", "5m", "a,b", "i:1,j:2", "app=x,k in (1,2)"],
        ),
        (
            "batch/v1",
            "Job",
            {
                "metadata": META,
                "spec": {"parallelism": 2},
                "status": {
                    "succeeded": 1,
                    "startTime": "2026-01-02T03:05:00Z",
                    "completionTime": "2026-01-02T03:05:10Z",
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            },
            ["x", "Complete", "1/1 of 2", "10s", "5m"],
        ),
        (
            "v1",
            "Event",
            event(count=3, firstTimestamp="2026-01-02T03:00:00Z", lastTimestamp="2026-01-02T03:09:50Z"),
            ["10s", "Normal", "R", "pod/p", "", "", "m", "10m", 3, "x"],
        ),
        (
            "v1",
            "Event",
            event(eventTime="2026-01-02T03:09:00.000000Z", reportingComponent="c", reportingInstance="i"),
            ["60s", "Normal", "R", "pod/p", "", "c, i", "m", "60s", 1, "x"],
        ),
        (
            "v1",
            "Endpoints",
            {
                "metadata": META,
                "subsets": [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(4)], "ports": [{"port": 80}]}],
            },
            ["x", "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 1 more...", "5m"],
        ),
        ("v1", "Endpoints", {"metadata": META}, ["x", "<none>", "5m"]),
        (
            "discovery.k8s.io/v1",
            "EndpointSlice",
            {
                "metadata": META,
                "addressType": "IPv4",
                "ports": [{"port": 80}],
                "endpoints": [{"addresses": ["10.0.0.1"]}],
            },
            ["x", "IPv4", "80", "10.0.0.1", "5m"],
        ),
        (
            "discovery.k8s.io/v1",
            "EndpointSlice",
            {"metadata": META, "addressType": "IPv4"},
            ["x", "IPv4", "<unset>", "<unset>", "5m"],
        ),
        ("v1", "ConfigMap", {"metadata": META, "data": {"a": ""}, "binaryData": {"b": ""}}, ["x", 2, "5m"]),
        ("v1", "Secret", {"metadata": META, "type": "Opaque", "data": {"a": ""}}, ["x", "Opaque", 1, "5m"]),
        ("v1", "Namespace", {"metadata": META, "status": {"phase": "Active"}}, ["x", "Active", "5m"]),
        ("v1", "ServiceAccount", {"metadata": META}, ["x", 0, "5m"]),
        ("coordination.k8s.io/v1", "Lease", {"metadata": META, "spec": {"holderIdentity": "me"}}, ["x", "me", "5m"]),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", {"metadata": META}, ["x", "2026-01-02T03:05:00Z"]),
        ("example.org/v1", "Pod", {"metadata": META}, ["x", "5m"]),
    ],
)
def test_rows_are_what_kubernetes_prints(api_version, kind, obj, cells):
    table = builtin_table(api_version, kind, [obj], NOW)
    row = table["rows"][0]["cells"]
    assert row[: len(cells)] == cells
    assert len(row) == len(table["columnDefinitions"])


def test_every_kind_with_cells_has_columns():
    assert set(BUILTIN_CELLS) == set(BUILTIN_COLUMNS)


def test_wide_columns_have_priority_one():
    columns = builtin_table("v1", "Pod", [], NOW)["columnDefinitions"]
    assert [item["name"] for item in columns if item["priority"] == 0] == ["Name", "Ready", "Status", "Restarts", "Age"]


@pytest.mark.parametrize(
    ("include", "carried"),
    [
        ("None", None),
        ("Metadata", {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": META}),
        ("Object", {"metadata": META, "data": {}}),
    ],
)
def test_rows_carry_what_was_asked_for(include, carried):
    table = builtin_table("v1", "ConfigMap", [{"metadata": META, "data": {}}], NOW, include)
    assert table["rows"][0].get("object") == carried


WORKSPACE_COLUMNS = [
    {"name": "Instance", "type": "string", "jsonPath": ".resource.instanceType"},
    {"name": "ResourceReady", "type": "string", "jsonPath": '.status.conditions[?(@.type=="ResourceReady")].status'},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Nodes", "type": "string", "jsonPath": ".status.workerNodes", "priority": 1},
    {"name": "Count", "type": "integer", "jsonPath": ".resource.count"},
    {"name": "Cost", "type": "number", "jsonPath": ".resource.cost"},
    {"name": "On", "type": "boolean", "jsonPath": ".resource.on"},
]


def test_custom_columns_are_found_by_jsonpath():
    obj = {
        "metadata": META,
        "resource": {"instanceType": "Standard_NC6s_v3", "count": 2.0, "cost": 3, "on": False},
        "status": {"conditions": [{"type": "ResourceReady", "status": "True"}], "workerNodes": ["a", "b"]},
    }
    table = crd_table(WORKSPACE_COLUMNS, [obj], NOW)
    assert table["rows"][0]["cells"] == ["x", "Standard_NC6s_v3", "True", "5m", '["a","b"]', 2, 3.0, False]
    assert [item["priority"] for item in table["columnDefinitions"]] == [0, 0, 0, 0, 1, 0, 0, 0]


def test_missing_values_are_null():
    assert crd_table(WORKSPACE_COLUMNS, [{"metadata": {"name": "x"}}], NOW)["rows"][0]["cells"] == ["x"] + [None] * 7


def test_a_custom_kind_without_columns_shows_its_age():
    table = crd_table([], [{"metadata": META}], NOW)
    assert [item["name"] for item in table["columnDefinitions"]] == ["Name", "Age"]
    assert table["rows"][0]["cells"] == ["x", "5m"]


def test_a_column_that_is_no_path_is_refused():
    with pytest.raises(ValueError, match="no JSONPath"):
        crd_table([{"name": "A", "type": "string", "jsonPath": ".a["}], [], NOW)
