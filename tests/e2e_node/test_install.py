"""`kubectl apply -k` on a cluster: what runs then, and as whom."""

import pytest


def test_both_programs_run_twice_and_are_ready(cluster):
    for program in cluster.programs:
        deployment = cluster.get("deployment", program, "-n", cluster.namespace)
        assert deployment["status"]["readyReplicas"] == 2
        assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in cluster.pods(program)] == [0, 0]


@pytest.mark.parametrize("program", ["kaito-controller", "kaito-provisioner"])
def test_one_of_two_leads_and_both_say_which(cluster, program):
    said = {}
    for pod in cluster.pods(program):
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}:8080/proxy/metrics"
        metrics = cluster.kubectl("get", "--raw", path)
        (line,) = (line for line in metrics.splitlines() if line.startswith("leader_election_master_status"))
        said[name] = line.rpartition(" ")[2]
    leader = cluster.leader(program)
    assert said.pop(leader) == "1.0"
    assert list(said.values()) == ["0.0"]


def test_the_image_alone_is_not_root_and_cannot_write_to_itself(cluster):
    """Without the security context that the manifests give it."""
    ask = "import os; print(os.getuid(), os.access('/', os.W_OK), os.access('/opt/kaito', os.W_OK))"
    image = cluster.pods("kaito-controller")[0]["spec"]["containers"][0]["image"]
    run = ["run", "who", f"--image={image}", "--restart=Never", "--command", "--", "python3", "-c", ask]
    cluster.kubectl(*run)
    try:
        cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/who", "--timeout=60s")
        assert cluster.kubectl("logs", "who").split() == ["65532", "False", "False"]
    finally:
        cluster.kubectl("delete", "pod", "who", "--force", "--grace-period=0")


def test_a_pod_that_the_restricted_profile_forbids_is_refused_beside_them(cluster):
    done = cluster.run(
        "-n",
        cluster.namespace,
        "run",
        "root",
        "--image=localhost/none:1",
        "--privileged",
        "--dry-run=server",
        check=False,
    )
    assert done.returncode != 0
    assert "restricted" in done.stderr


def test_installing_it_again_changes_nothing(cluster):
    """kubectl says `configured` of each disruption budget: a patch of one replaces its selector, by the same."""
    said = cluster.kubectl("apply", "-k", cluster.overlay).splitlines()
    changed = [line for line in said if not line.endswith("unchanged") and "poddisruptionbudget" not in line]
    assert changed == []
