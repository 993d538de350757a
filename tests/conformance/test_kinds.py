"""Built-in kinds: what a server fills in, what it refuses, what it warns about."""

from collections.abc import Iterator
from typing import Any

import pytest
from asking import Answer, Api

UNSCHEDULED = {"schedulerName": "nobody", "automountServiceAccountToken": False}
CONTAINER = {"name": "c", "image": "i:1"}


@pytest.fixture
def core(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}"


def make_pod(api: Api, core: str, **spec: Any) -> Answer:
    spec = {**UNSCHEDULED, "containers": [CONTAINER], **spec}
    return api.post(f"{core}/pods", {"metadata": {"name": "one"}, "spec": spec})


def make_service(api: Api, core: str, **spec: Any) -> Answer:
    return api.post(f"{core}/services", {"metadata": {"name": "one"}, "spec": spec})


def warnings(answer: Answer) -> list[str]:
    return [text.partition('"')[2][:-1].replace('\\"', '"') for text in answer.headers.get_list("warning")]


POD_FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "two volumes of one name": (
        {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
        "FieldValueDuplicate",
        "spec.volumes[1].name",
    ),
    "a mount of no volume": (
        {"containers": [{**CONTAINER, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
        "FieldValueNotFound",
        "spec.containers[0].volumeMounts[0].name",
    ),
    "a probe of an init container": (
        {"initContainers": [{**CONTAINER, "name": "i", "readinessProbe": {"httpGet": {"port": 80}}}]},
        "FieldValueForbidden",
        "spec.initContainers[0].readinessProbe",
    ),
    "seconds of another effect": (
        {"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 3}]},
        "FieldValueInvalid",
        "spec.tolerations[0].effect",
    ),
    "a request above its limit": (
        {"containers": [{**CONTAINER, "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "500m"}}}]},
        "FieldValueInvalid",
        "spec.containers[0].resources.requests",
    ),
    "two ports of one name": (
        {
            "containers": [
                {**CONTAINER, "ports": [{"name": "a", "containerPort": 80}, {"name": "a", "containerPort": 81}]}
            ]
        },
        "FieldValueDuplicate",
        "spec.containers[0].ports[1].name",
    ),
    "a probe that asks in no way": (
        {"containers": [{**CONTAINER, "livenessProbe": {}}]},
        "FieldValueRequired",
        "spec.containers[0].livenessProbe",
    ),
    "a probe that asks in two ways": (
        {"containers": [{**CONTAINER, "startupProbe": {"exec": {"command": ["a"]}, "httpGet": {"port": 80}}}]},
        "FieldValueForbidden",
        "spec.containers[0].startupProbe.httpGet",
    ),
    "a hook that does nothing": (
        {"containers": [{**CONTAINER, "lifecycle": {"preStop": {}}}]},
        "FieldValueRequired",
        "spec.containers[0].lifecycle.preStop",
    ),
    "a hook that does two things": (
        {"containers": [{**CONTAINER, "lifecycle": {"preStop": {"sleep": {"seconds": 1}, "httpGet": {"port": 1}}}}]},
        "FieldValueForbidden",
        "spec.containers[0].lifecycle.preStop.sleep",
    ),
    "two containers of one name": (
        {"containers": [CONTAINER, CONTAINER]},
        "FieldValueDuplicate",
        "spec.containers[1].name",
    ),
}


@pytest.mark.parametrize("case", POD_FIELDS)
def test_a_pod_that_cannot_be_is_refused(api: Api, core: str, case: str) -> None:
    spec, reason, field = POD_FIELDS[case]
    answer = make_pod(api, core, **spec)
    assert (answer.code, answer.causes) == (422, [(reason, field)])


@pytest.mark.parametrize("probe", [{}, None], ids=["empty", "null"])
def test_a_probe_that_apply_takes_the_last_field_of_is_refused(api: Api, core: str, probe: Any) -> None:
    path = f"{core.replace('/api/', '/apis/apps/')}/deployments/one"
    container: dict[str, Any] = {"name": "c", "image": "i", "livenessProbe": {"httpGet": {"port": 80}}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "one"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    }
    assert api.apply(path, body).code == 201
    container["livenessProbe"] = probe
    answer = api.apply(path, body)
    field = "spec.template.spec.containers[0].livenessProbe"
    assert answer.message == (f'Deployment.apps "one" is invalid: {field}: Required value: must specify a handler type')


def test_a_bad_pod_of_a_name_that_is_taken_is_invalid_first(api: Api, core: str) -> None:
    assert make_pod(api, core).code == 201
    assert make_pod(api, core, volumes=[{"name": "v"}, {"name": "v"}]).reason == "Invalid"
    assert make_pod(api, core).reason == "AlreadyExists"


def test_a_variable_that_hides_another_and_a_port_twice_are_warned_about(api: Api, core: str) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    ports = [{"containerPort": 80}, {"containerPort": 80}]
    answer = make_pod(api, core, containers=[{**CONTAINER, "env": env, "ports": ports}])
    assert answer.code == 201
    assert warnings(answer) == [
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
    ]


def test_an_address_of_a_pod_is_one_of_its_addresses(api: Api, core: str) -> None:
    make_pod(api, core)
    answer = api.patch(f"{core}/pods/one/status", {"status": {"podIP": "1.2.3.4"}})
    assert answer.body["status"]["podIPs"] == [{"ip": "1.2.3.4"}]


def test_a_status_written_whole_keeps_the_quality_of_service(api: Api, core: str) -> None:
    pod = make_pod(api, core).body
    answer = api.put(f"{core}/pods/one/status", {**pod, "status": {"phase": "Running"}})
    assert answer.body["status"] == {"phase": "Running", "qosClass": "BestEffort"}


def test_both_names_of_a_service_account_are_filled_in(api: Api, namespace: str) -> None:
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {**UNSCHEDULED, "containers": [CONTAINER], "serviceAccountName": "x"},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    answer = api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": {"name": "one"}, "spec": spec})
    assert answer.body["spec"]["template"]["spec"]["serviceAccount"] == "x"


def test_annotations_count_in_the_generation_of_a_deployment_unless_they_come_with_its_status(
    api: Api, namespace: str
) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER]}}
    spec = {"paused": True, "replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert api.post(path, {"metadata": {"name": "one"}, "spec": spec}).body["metadata"]["generation"] == 1
    answer = api.patch(f"{path}/one/status", {"metadata": {"annotations": {"x": "y"}, "labels": {"x": "y"}}})
    assert answer.body["metadata"]["annotations"]["x"] == "y", "its controller keeps the revision there"
    assert (answer.body["metadata"]["generation"], "labels" in answer.body["metadata"]) == (1, False)
    answer = api.patch(f"{path}/one", {"metadata": {"annotations": {"x": "z"}}})
    assert answer.body["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"restartPolicy": "Never"}, "FieldValueNotSupported", "spec.template.spec.restartPolicy"),
        ({"activeDeadlineSeconds": 5}, "FieldValueForbidden", "spec.template.spec.activeDeadlineSeconds"),
    ],
)
def test_pods_of_a_deployment_run_for_ever(
    api: Api, namespace: str, change: dict[str, Any], reason: str, field: str
) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER], **change}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    answer = api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", {"metadata": {"name": "one"}, "spec": spec})
    assert (answer.code, answer.causes) == (422, [(reason, field)])


SERVICE_FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no ports": ({}, "FieldValueRequired", "spec.ports"),
    "two ports of one name": (
        {"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]},
        "FieldValueDuplicate",
        "spec.ports[1].name",
    ),
    "two ports, one without a name": (
        {"ports": [{"name": "a", "port": 80}, {"port": 81}]},
        "FieldValueRequired",
        "spec.ports[1].name",
    ),
    "an external name without the name": ({"type": "ExternalName"}, "FieldValueRequired", "spec.externalName"),
}


@pytest.mark.parametrize("case", SERVICE_FIELDS)
def test_a_service_that_cannot_be_is_refused(api: Api, core: str, case: str) -> None:
    spec, reason, field = SERVICE_FIELDS[case]
    answer = make_service(api, core, **spec)
    assert (answer.code, answer.causes) == (422, [(reason, field)])


@pytest.mark.parametrize(
    ("spec", "policy", "families"),
    [
        ({"ports": [{"port": 80}]}, "SingleStack", ["IPv4"]),
        ({"clusterIP": "None", "selector": {"a": "b"}}, "SingleStack", ["IPv4"]),
        ({"clusterIP": "None"}, "RequireDualStack", ["IPv4", "IPv6"]),
    ],
    ids=["cluster", "headless", "headless without a selector"],
)
def test_the_address_families_of_a_service(
    api: Api, core: str, spec: dict[str, Any], policy: str, families: list[str]
) -> None:
    made = make_service(api, core, **spec).body["spec"]
    assert (made["ipFamilyPolicy"], made["ipFamilies"]) == (policy, families)


def test_an_external_name_that_means_nothing_is_warned_about(api: Api, core: str) -> None:
    answer = make_service(api, core, ports=[{"port": 80}], externalName="x.example.org")
    assert warnings(answer) == ['spec.externalName is ignored when spec.type is not "ExternalName"']


def test_an_update_of_a_service_that_is_not_there_makes_it(api: Api, core: str) -> None:
    answer = api.put(f"{core}/services/one", {"metadata": {"name": "one"}, "spec": {"ports": [{"port": 80}]}})
    assert answer.code == 201


def test_a_deleted_service_or_pod_is_answered_whole(api: Api, core: str) -> None:
    make_service(api, core, ports=[{"port": 80}])
    make_pod(api, core)
    service, pod = api.delete(f"{core}/services/one").body, api.delete(f"{core}/pods/one").body
    assert (service["kind"], "deletionTimestamp" in service["metadata"]) == ("Service", False)
    assert (pod["kind"], pod["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 0)
    assert api.get(f"{core}/pods/one").code == 404


def test_plain_text_of_a_secret_is_data_and_owned_as_such(api: Api, core: str) -> None:
    body = {"metadata": {"name": "one"}, "stringData": {"a": "x"}}
    answer = api.post(f"{core}/secrets", body, fieldManager="me")
    assert (answer.body["data"], "stringData" in answer.body) == ({"a": "eA=="}, False)
    assert answer.body["metadata"]["managedFields"][0]["fieldsV1"] == {
        "f:data": {".": {}, "f:a": {}},
        "f:type": {},
    }


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("kubernetes.io/tls", ["data[tls.crt]", "data[tls.key]"]),
        ("kubernetes.io/dockerconfigjson", ["data[.dockerconfigjson]"]),
    ],
)
def test_a_secret_of_a_type_has_its_keys(api: Api, core: str, kind: str, fields: list[str]) -> None:
    answer = api.post(f"{core}/secrets", {"metadata": {"name": "one"}, "type": kind})
    assert answer.causes == [("FieldValueRequired", field) for field in fields]


def test_null_among_the_values_of_a_map_is_empty_text(api: Api, config_maps: str) -> None:
    body = {"metadata": {"name": "one", "annotations": {"n": None}}, "data": {"a": None, "b": "1"}}
    answer = api.post(config_maps, body)
    assert (answer.body["data"], answer.body["metadata"]["annotations"]) == ({"a": "", "b": "1"}, {"n": ""})


@pytest.fixture
def node(api: Api, namespace: str) -> Iterator[str]:
    """The path of a node that is not there yet."""
    path = f"/api/v1/nodes/{namespace}"
    yield path
    api.delete(path)


def test_a_new_node_takes_no_pods_until_it_has_reported(api: Api, node: str) -> None:
    answer = api.post("/api/v1/nodes", {"metadata": {"name": node.rpartition("/")[2]}})
    assert answer.body["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


def test_no_taint_of_a_node_is_there_twice(api: Api, node: str) -> None:
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule", "value": "b"}]
    body = {"metadata": {"name": node.rpartition("/")[2]}, "spec": {"taints": taints}}
    answer = api.post("/api/v1/nodes", body)
    assert (answer.code, answer.causes) == (422, [("FieldValueDuplicate", "metadata.taints[1]")])


def test_a_node_may_be_applied_with_its_status_which_nobody_owns(api: Api, node: str) -> None:
    name = node.rpartition("/")[2]
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"capacity": {"cpu": "2"}}}
    answer = api.apply(node, body)
    assert (answer.code, answer.body["status"]["allocatable"]) == (201, {"cpu": "2"})
    assert not any("f:status" in entry["fieldsV1"] for entry in answer.body["metadata"].get("managedFields", ()))


@pytest.mark.parametrize(
    ("field", "value"), [("leaseDurationSeconds", 0), ("leaseDurationSeconds", -1), ("leaseTransitions", -1)]
)
def test_the_numbers_of_a_lease(api: Api, namespace: str, field: str, value: int) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    answer = api.post(path, {"metadata": {"name": "one"}, "spec": {field: value}})
    assert (answer.code, answer.causes) == (422, [("FieldValueInvalid", f"spec.{field}")])


def test_an_update_of_a_lease_that_is_not_there_makes_it(api: Api, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/one"
    assert api.put(path, {"metadata": {"name": "one"}, "spec": {"holderIdentity": "me"}}).code == 201


def make_job(api: Api, namespace: str, **template: Any) -> Answer:
    spec = {**UNSCHEDULED, "restartPolicy": "Never", "containers": [CONTAINER]}
    body = {"metadata": {"name": "one"}, "spec": {"suspend": True, "template": {**template, "spec": spec}}}
    return api.post(f"/apis/batch/v1/namespaces/{namespace}/jobs", body)


def test_a_job_without_labels_has_those_of_its_pods(api: Api, namespace: str) -> None:
    made = make_job(api, namespace, metadata={"labels": {"a": "b"}}).body
    assert made["metadata"]["labels"] == made["spec"]["template"]["metadata"]["labels"]
    assert set(made["metadata"]["labels"]) == {
        "a",
        "controller-uid",
        "job-name",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
    }


def test_a_job_that_is_deleted_without_a_word_orphans_its_pods(api: Api, namespace: str) -> None:
    make_job(api, namespace)
    answer = api.delete(f"/apis/batch/v1/namespaces/{namespace}/jobs/one")
    assert (answer.body["kind"], "orphan" in answer.body["metadata"]["finalizers"]) == ("Job", True)


def test_a_volume_claim_of_a_stateful_set_says_what_it_is(api: Api, namespace: str) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {**UNSCHEDULED, "containers": [CONTAINER]}}
    spec = {"replicas": 0, "serviceName": "x", "selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"metadata": {"name": "one"}, "spec": {**spec, "volumeClaimTemplates": [claim]}}
    made = api.post(f"/apis/apps/v1/namespaces/{namespace}/statefulsets", body).body
    kept = made["spec"]["volumeClaimTemplates"][0]
    assert (kept["apiVersion"], kept["kind"], kept["status"]) == ("v1", "PersistentVolumeClaim", {"phase": "Pending"})


def test_a_workload_is_not_warned_about_again_when_its_labels_change(api: Api, namespace: str) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{**CONTAINER, "env": env}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    assert warnings(api.post(path, {"metadata": {"name": "one"}, "spec": spec}))
    assert not warnings(api.patch(f"{path}/one", {"metadata": {"labels": {"x": "y"}}}))
    assert warnings(api.patch(f"{path}/one", {"spec": {"minReadySeconds": 1}}))
