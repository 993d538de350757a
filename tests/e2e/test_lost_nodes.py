"""Nodes that go while a Workspace needs them: another comes, never a second one beside it, and none is left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster

WORKSPACE = """\
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {name: lost}
resource:
  instanceType: Standard_NC6s_v3
  labelSelector: {matchLabels: {apps: lost}}
inference:
  preset: {name: phi-3-mini-4k-instruct}
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
  terminationGracePeriodSeconds: 5
  containers: [{name: main, image: busybox, args: [-c, 'exec sleep 3600']}]
"""
OF_IT = ("-l", "kaito.sh/workspace=lost")


@pytest.fixture(scope="module")
def workspace(cluster: Cluster) -> Iterator[Cluster]:
    """A Workspace that loses its node again and again: its events repeat, and are counted instead of written anew."""
    cluster.apply(WORKSPACE)
    cluster.until("a node that is Ready", lambda: ready_node(cluster), timeout=120)
    yield cluster
    cluster.kubectl("delete", "workspace", "lost", "--ignore-not-found", "--timeout=120s", timeout=150)
    cluster.until("no machine left", lambda: not instances(cluster), timeout=60)


def ready_node(cluster: Cluster) -> str:
    """Return the uid of the Workspace's node if it is Ready; there is never more than one."""
    path = 'jsonpath={range .items[*]}{.metadata.uid} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
    nodes = cluster.kubectl("get", "nodes", *OF_IT, "-o", path).splitlines()
    assert len(nodes) <= 1, nodes
    return nodes[0].split()[0] if nodes and nodes[0].endswith(" True") else ""


def instances(cluster: Cluster) -> list[Path]:
    return list((cluster.directory / "cloud" / "instances").glob("*.json"))


def test_a_machine_that_loses_its_labels_gets_them_back(workspace: Cluster) -> None:
    """By them it is found when the Workspace goes: without, its node would stay on the bill."""

    def machines() -> str:
        return workspace.kubectl("get", "machines", *OF_IT, "-o", "name").strip()

    before, machine = ready_node(workspace), machines()
    workspace.kubectl("label", machine, "kaito.sh/workspace-")
    workspace.until("the label is back", lambda: machines() == machine, timeout=60)
    assert ready_node(workspace) == before
    assert len(instances(workspace)) == 1


def test_a_deleted_node_takes_its_machine_along_and_another_joins(workspace: Cluster) -> None:
    before = ready_node(workspace)
    workspace.kubectl("delete", "node", *OF_IT, "--timeout=120s", timeout=150)
    workspace.until("another node", lambda: ready_node(workspace) not in ("", before), timeout=120)
    assert len(instances(workspace)) == 1


def test_a_deleted_machine_takes_its_node_along_and_another_joins(workspace: Cluster) -> None:
    before = ready_node(workspace)
    workspace.kubectl("delete", "machine", *OF_IT, "--timeout=120s", timeout=150)
    workspace.until("another node", lambda: ready_node(workspace) not in ("", before), timeout=120)
    assert len(instances(workspace)) == 1


def test_a_machine_that_the_cloud_took_away_is_replaced(workspace: Cluster) -> None:
    before = ready_node(workspace)
    (gone,) = instances(workspace)
    gone.unlink()
    workspace.until("another node", lambda: ready_node(workspace) not in ("", before), timeout=180)
    assert len(instances(workspace)) == 1


def test_a_disruption_budget_delays_the_end_of_a_node_and_does_not_prevent_it(workspace: Cluster) -> None:
    if "poddisruptionbudgets" not in workspace.kubectl("api-resources", "-o", "name"):
        pytest.skip("the embedded API server has no disruption budgets")
    workspace.apply(GUARDED)
    try:
        workspace.until("the pod runs", lambda: "Running" in workspace.kubectl("get", "pod", "guarded"), timeout=60)
        workspace.kubectl("delete", "workspace", "lost", "--timeout=120s", timeout=150)
        events = workspace.kubectl("get", "events", "--field-selector=reason=FailedDraining")
        assert "disruption budget" in events
    finally:
        workspace.kubectl("delete", "pdb,pod", "guarded", "--ignore-not-found", "--timeout=60s")
