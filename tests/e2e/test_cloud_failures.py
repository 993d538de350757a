"""The cloud says no: the Workspace names the reason and the remedy within seconds, and goes on once that is mended."""

from cluster import Cluster

MANIFEST = """\
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {name: waiting}
resource:
  instanceType: Standard_NC6s_v3
  labelSelector: {matchLabels: {apps: waiting}}
inference:
  preset: {name: phi-3-mini-4k-instruct}
"""


def wide(cluster: Cluster) -> str:
    return cluster.kubectl("get", "workspace", "waiting", "-o", "wide")


def test_out_of_quota_names_reason_and_remedy_within_five_seconds_and_recovers(cluster: Cluster) -> None:
    cluster.kaito("cloud", "quota", "Standard_NC6s_v3", "0")
    try:
        cluster.apply(MANIFEST)
        cluster.until("the reason in the wide table", lambda: "QuotaExceeded" in wide(cluster), timeout=5)
        described = cluster.kubectl("describe", "workspace", "waiting")
        assert "QuotaExceeded" in described
        assert "kaito cloud quota Standard_NC6s_v3" in described, "the remedy is a command that can be typed"
        assert cluster.kubectl("get", "nodes", "-l", "kaito.sh/workspace=waiting", "-o", "name").strip() == ""
        cluster.kaito("cloud", "reset")
        machines = cluster.until(
            "the Machine ready once there is quota",
            lambda: "True" in cluster.kubectl("get", "machines", "-l", "kaito.sh/workspace=waiting"),
            timeout=90,
        )
        assert machines
    finally:
        cluster.kaito("cloud", "reset")
        cluster.kubectl("delete", "workspace", "waiting", "--timeout=90s", check=False)


def test_out_of_capacity_is_retried_and_says_so(cluster: Cluster) -> None:
    cluster.kaito("cloud", "out-of-capacity", "Standard_NC6s_v3")
    try:
        cluster.apply(MANIFEST)
        cluster.until("the reason in the wide table", lambda: "InsufficientCapacity" in wide(cluster), timeout=5)
        found = cluster.object("workspace", "waiting")
        assert found is not None
        assert found["status"]["lastFailure"]["terminal"] is False
    finally:
        cluster.kaito("cloud", "reset")
        cluster.kubectl("delete", "workspace", "waiting", "--timeout=90s", check=False)
