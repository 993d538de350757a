"""A Workspace on GPU capacity that exists on paper: it goes as far as it can, and says what it waits for."""

import pytest

NAME = "workspace-phi-3-mini"


@pytest.fixture(scope="module")
def workspace(cluster):
    cluster.kubectl("apply", "-f", str(cluster.examples / "inference" / "kaito_workspace_phi_3.yaml"))
    yield NAME
    cluster.kubectl("delete", "workspace", NAME, "--ignore-not-found", "--timeout=120s", timeout=130)


def test_a_machine_becomes_a_node_with_gpus(cluster, workspace):
    machine = cluster.until("the machine is ready", lambda: _ready_machine(cluster))
    node = cluster.get("node", machine["status"]["nodeName"])
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert node["metadata"]["labels"]["apps"] == "phi-3"
    assert node["spec"]["providerID"] == machine["status"]["providerID"]


def test_the_pod_is_scheduled_there_and_the_status_says_what_it_waits_for(cluster, workspace):
    pod = cluster.until("the pod is scheduled", lambda: _scheduled(cluster))
    status = cluster.until("the status says so", lambda: _waiting(cluster, pod))["status"]
    assert status["phase"] == "StartingModel"
    assert pod["spec"]["nodeName"] in status["message"]
    conditions = {one["type"]: one["status"] for one in status["conditions"]}
    assert conditions["ResourceReady"] == "True"
    assert conditions["InferenceReady"] == conditions["WorkspaceReady"] == "False"
    columns = cluster.kubectl("get", "workspace", NAME, "--no-headers").split()
    assert columns[:5] == [NAME, "Standard_NC6s_v3", "True", "False", "False"]


def test_its_service_has_an_address_and_nobody_behind_it_yet(cluster, workspace):
    service = cluster.until("the service is there", lambda: cluster.get("service", NAME))
    assert (80, 5000) in [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]]
    slices = cluster.list("endpointslices", "-l", f"kubernetes.io/service-name={NAME}")
    assert not [one for found in slices for one in found.get("endpoints") or [] if one["conditions"]["ready"]]


def test_the_node_stays_ready_for_longer_than_a_silent_one_would(cluster, workspace):
    """A node that sends no heartbeat is marked after 50 s."""
    machine = _ready_machine(cluster)
    began = _heartbeat(cluster, machine["status"]["nodeName"])
    cluster.until("heartbeats go on", lambda: _heartbeat(cluster, machine["status"]["nodeName"]) > began, within=45)


def test_a_workspace_that_cannot_be_is_refused_with_the_field(cluster):
    manifest = (cluster.examples / "inference" / "kaito_workspace_phi_3.yaml").read_text()
    done = cluster.run(
        "apply", "-f", "-", stdin=manifest.replace("  instanceType:", "  count: 0\n  instanceType:"), check=False
    )
    assert done.returncode != 0
    assert "resource.count" in done.stderr


def test_an_instance_type_that_is_not_sold_is_refused_by_the_webhook_with_what_to_do(cluster):
    manifest = (cluster.examples / "inference" / "kaito_workspace_phi_3.yaml").read_text()
    manifest = manifest.replace("Standard_NC6s_v3", "Standard_Nothing").replace(NAME, "nothing")
    done = cluster.run("apply", "-f", "-", stdin=manifest, check=False)
    assert done.returncode != 0
    assert "resource.instanceType: " in done.stderr
    assert "Standard_Nothing" in done.stderr


def test_deleting_it_leaves_nothing(cluster, workspace):
    cluster.kubectl("delete", "workspace", NAME, "--timeout=120s", timeout=130)
    assert cluster.list("machines") == []
    cluster.until("the node is gone", lambda: not cluster.list("nodes", "-l", "kaito.sh/cloud=kwok"))
    kinds = "deployments,services,configmaps,secrets,pods"
    left = lambda: [one for one in cluster.list(kinds) if NAME in one["metadata"]["name"]]  # noqa: E731
    cluster.until("nothing of it is left", lambda: not left(), within=90)


def _ready_machine(cluster):
    for machine in cluster.list("machines"):
        conditions = machine.get("status", {}).get("conditions", [])
        if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            return machine
    return None


def _scheduled(cluster):
    return next(
        (pod for pod in cluster.list("pods") if NAME in pod["metadata"]["name"] and "nodeName" in pod["spec"]), None
    )


def _waiting(cluster, pod):
    found = cluster.workspace(NAME)
    return found if pod["metadata"]["name"] in found.get("status", {}).get("message", "") else None


def _heartbeat(cluster, node):
    conditions = cluster.get("node", node)["status"]["conditions"]
    (ready,) = (one for one in conditions if one["type"] == "Ready")
    assert ready["status"] == "True"
    return ready["lastHeartbeatTime"]
