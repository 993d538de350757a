"""What other hands do to the nodes of a Workspace is undone, again and again, and what repeats is counted."""

import pytest

NAME = "lost"
OF_IT = ("-l", f"kaito.sh/workspace={NAME}")
WORKSPACE = f"""\
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {{name: {NAME}}}
resource:
  instanceType: Standard_NC6s_v3
  labelSelector: {{matchLabels: {{apps: {NAME}}}}}
inference:
  preset: {{name: phi-3-mini-4k-instruct}}
"""
GUARDED = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded}
spec: {minAvailable: 1, selector: {matchLabels: {run: guarded}}}
---
apiVersion: v1
kind: Pod
metadata: {name: guarded, labels: {run: guarded}}
spec:
  nodeSelector: {kaito.sh/workspace: lost}
  tolerations: [{key: sku, value: gpu, effect: NoSchedule}]
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: "localhost/none:1"}]
"""
RUNNING = '{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}'


@pytest.fixture(scope="module")
def workspace(cluster):
    cluster.kubectl("apply", "-f", "-", stdin=WORKSPACE)
    cluster.until("a node that is Ready", lambda: _ready_node(cluster))
    yield cluster
    cluster.kubectl("delete", "workspace", NAME, "--ignore-not-found", "--timeout=150s")


@pytest.mark.parametrize("time", ["first", "second", "third"])
def test_a_deleted_node_takes_its_machine_along_and_another_joins(workspace, time):
    before = _ready_node(workspace)
    workspace.kubectl("delete", "node", *OF_IT, "--timeout=120s")
    workspace.until("another node", lambda: _ready_node(workspace) not in ("", before), within=120)
    assert len(workspace.list("machines", *OF_IT)) == 1


def test_a_machine_that_somebody_took_the_label_of_gets_it_back(workspace):
    (machine,) = workspace.list("machines", *OF_IT)
    workspace.kubectl("label", "machine", machine["metadata"]["name"], "kaito.sh/workspace-")
    (found,) = workspace.until("the label is back", lambda: workspace.list("machines", *OF_IT))
    assert found["metadata"]["uid"] == machine["metadata"]["uid"]


def test_a_disruption_budget_delays_the_end_of_a_node(workspace):
    """The pod is said to run by the test, as the node has no kubelet: a budget guards no pod that is Pending."""
    workspace.kubectl("apply", "-f", "-", stdin=GUARDED)
    pod = workspace.until("it is scheduled", lambda: workspace.get("pod", "guarded")["spec"].get("nodeName"))
    workspace.kubectl("patch", "pod", "guarded", "--subresource=status", "--type=merge", "-p", RUNNING)
    workspace.until("the budget counts it", lambda: workspace.get("pdb", "guarded")["status"].get("currentHealthy"))
    try:
        workspace.kubectl("delete", "workspace", NAME, "--wait=false")
        workspace.until("that is said, and counted", lambda: _refusals(workspace) > 1, within=90)
        assert workspace.get("node", pod)["spec"]["unschedulable"]
    finally:
        workspace.kubectl("delete", "pdb/guarded", "pod/guarded", "--force", "--grace-period=0")
    workspace.until("the Workspace is gone", lambda: not workspace.get("workspace", NAME), within=120)


def _ready_node(cluster):
    nodes = cluster.list("nodes", *OF_IT)
    assert len(nodes) <= 1
    ready = [
        node["metadata"]["uid"]
        for node in nodes
        for one in node["status"].get("conditions", [])
        if one["type"] == "Ready" and one["status"] == "True" and not node["metadata"].get("deletionTimestamp")
    ]
    return ready[0] if ready else ""


def _refusals(cluster):
    events = cluster.list("events", "-A", "--field-selector=reason=FailedDraining")
    return max((event["count"] for event in events), default=0)
