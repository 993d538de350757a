"""The leader goes, the other goes on."""

import pytest


@pytest.mark.parametrize("program", ["kaito-controller", "kaito-provisioner"])
@pytest.mark.parametrize(("how", "within"), [("asked to end", 10), ("forced", 30)])
def test_when_the_leader_goes_the_other_leads(cluster, program, how, within):
    """Asked, it gives the Lease back; if it had no time to, the Lease has to run out (15 s)."""
    before = cluster.leader(program)
    force = ["--force", "--grace-period=0"] if how == "forced" else []
    cluster.kubectl("-n", cluster.namespace, "delete", "pod", before, "--wait=false", *force)
    after = cluster.until(
        "another leads",
        lambda: (name := _holder(cluster, program)) and name != before and name,
        within=within,
    )
    assert after != before
    cluster.kubectl("-n", cluster.namespace, "rollout", "status", f"deployment/{program}", "--timeout=120s")
    cluster.until("two pods are ready", lambda: _ready(cluster, program) == 2)


def test_a_leader_that_finds_another_in_its_place_ends_and_its_pod_starts_again(cluster):
    program = "kaito-provisioner"
    leader = cluster.leader(program)
    usurped = '{"spec":{"holderIdentity":"somebody-else","leaseDurationSeconds":5}}'
    cluster.kubectl("-n", cluster.namespace, "patch", "lease", program, "--type=merge", "-p", usurped)
    ended = cluster.until("the process ended", lambda: _last_end(cluster, leader))
    assert ended["exitCode"] == 1
    said = cluster.kubectl("-n", cluster.namespace, "logs", leader, "--previous")
    assert "LeadershipLost" in said
    assert "somebody-else" in said
    cluster.until("somebody leads again", lambda: cluster.leader(program))
    cluster.until("two pods are ready", lambda: _ready(cluster, program) == 2)


def test_a_workspace_survives_the_end_of_both_leaders(cluster):
    """Applied, then both leaders are forced out at once: the others finish what they began."""
    cluster.kubectl("apply", "-f", str(cluster.examples / "inference" / "kaito_workspace_phi_3.yaml"))
    for program in cluster.programs:
        leader = cluster.leader(program)
        cluster.kubectl("-n", cluster.namespace, "delete", "pod", leader, "--force", "--grace-period=0")
    cluster.until("the node joins", lambda: _resource_ready(cluster), within=90)
    assert len(cluster.list("machines")) == 1
    cluster.kubectl("delete", "workspace", "workspace-phi-3-mini", "--timeout=120s", timeout=130)
    assert cluster.list("machines") == []


def _holder(cluster, program):
    lease = cluster.get("lease", program, "-n", cluster.namespace)
    return lease["spec"].get("holderIdentity", "").partition("_")[0]


def _ready(cluster, program):
    return cluster.get("deployment", program, "-n", cluster.namespace)["status"].get("readyReplicas")


def _resource_ready(cluster):
    conditions = (cluster.workspace("workspace-phi-3-mini").get("status") or {}).get("conditions", [])
    return any(one["type"] == "ResourceReady" and one["status"] == "True" for one in conditions)


def _last_end(cluster, pod):
    return cluster.get("pod", pod, "-n", cluster.namespace)["status"]["containerStatuses"][0]["lastState"].get(
        "terminated"
    )
