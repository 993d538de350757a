"""kill -9 of each process in each phase of a Workspace's life: the end is as if nothing had happened."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cluster import Cluster
from killing import (
    API_SERVER,
    CLUSTER,
    CONTROLLER,
    NODE,
    PROVISIONER,
    SERVER,
    SHIM,
    SUPERVISOR,
    WEIGHTS,
    kill,
    kill_and_wait,
    pids,
)

SKU = "Standard_NC6s_v3"
MANIFEST = f"""\
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {{name: killed}}
resource:
  instanceType: {SKU}
  labelSelector: {{matchLabels: {{apps: killed}}}}
inference:
  preset: {{name: phi-3-mini-4k-instruct}}
"""
OF_IT = ("-l", "kaito.sh/workspace=killed")


@pytest.fixture(autouse=True)
def clean(cluster: Cluster) -> Iterator[None]:
    yield
    cluster.kaito("cloud", "reset")
    cluster.kubectl("delete", "workspace", "killed", "--ignore-not-found", "--timeout=150s", timeout=180, check=False)


def test_whatever_is_killed_on_the_way_one_of_everything_serves_in_the_end(cluster: Cluster) -> None:
    machine = claim(cluster)
    kill_and_wait(cluster, CONTROLLER)
    kill_and_wait(cluster, PROVISIONER)
    cluster.kaito("cloud", "reset")
    cluster.until("the launch", lambda: condition(cluster, "machine", "MachineLaunched"), timeout=120)
    kill_and_wait(cluster, PROVISIONER)
    cluster.until("the node agent", lambda: pids(cluster, NODE, machine), timeout=120)
    kill_and_wait(cluster, NODE, machine)
    cluster.until("the pod", lambda: running(cluster, "initContainerStatuses"), timeout=180)
    kill_and_wait(cluster, CLUSTER)
    kill_and_wait(cluster, NODE, machine)
    kill_shim(cluster)
    cluster.until("the server", lambda: running(cluster, "containerStatuses"), timeout=180)
    kill_and_wait(cluster, API_SERVER)
    kill_and_wait(cluster, CONTROLLER)
    serves(cluster)

    server = pids(cluster, SERVER)
    for process in (CONTROLLER, PROVISIONER, API_SERVER, CLUSTER):
        kill_and_wait(cluster, process)
    kill_and_wait(cluster, NODE, machine)
    serves(cluster)
    assert pids(cluster, SERVER) == server, "a server that was fine was started again"

    cluster.kubectl("delete", "workspace", "killed", "--wait=false")
    for process in (CONTROLLER, PROVISIONER, CLUSTER, API_SERVER):
        kill_and_wait(cluster, process)
    kill(cluster, NODE, machine)
    nothing_is_left(cluster, machine)


def test_a_killed_supervisor_is_started_again_and_goes_on_where_it_was(cluster: Cluster) -> None:
    machine = claim(cluster)
    before = pids(cluster, SUPERVISOR)
    assert kill(cluster, SUPERVISOR) == before
    cluster.up()
    assert len(pids(cluster, SUPERVISOR)) == 1
    assert len(pids(cluster, CONTROLLER)) == 1, "what the dead supervisor had started runs beside the new one's"
    cluster.kaito("cloud", "reset")
    cluster.until("the node", lambda: condition(cluster, "nodes", "Ready"), timeout=180)
    assert names(cluster, "machines") == [machine]
    cluster.kubectl("delete", "workspace", "killed", "--wait=false")
    nothing_is_left(cluster, machine)


@pytest.mark.soak
@pytest.mark.parametrize("process", [CONTROLLER, PROVISIONER, API_SERVER, CLUSTER, NODE, SHIM, SUPERVISOR])
@pytest.mark.parametrize("phase", ["claiming", "launching", "joining", "preparing", "loading", "ready", "deleting"])
def test_each_process_killed_in_each_phase(cluster: Cluster, process: str, phase: str) -> None:
    machine = claim(cluster)
    if phase != "claiming":
        cluster.kaito("cloud", "reset")
        reach(cluster, phase, machine)
    if phase == "deleting":
        cluster.kubectl("delete", "workspace", "killed", "--wait=false")
    if process == SUPERVISOR:
        kill(cluster, process)
        cluster.up()
    elif process in (NODE, SHIM):
        kill(cluster, process, *((machine,) if process == NODE else ()))
    else:
        kill_and_wait(cluster, process)
    cluster.kaito("cloud", "reset")
    if phase != "deleting":
        serves(cluster)
        cluster.kubectl("delete", "workspace", "killed", "--wait=false")
    nothing_is_left(cluster, machine)


def claim(cluster: Cluster) -> str:
    """Make a Workspace that waits for quota, and return the name of its Machine."""
    cluster.kaito("cloud", "quota", SKU, "0")
    cluster.apply(MANIFEST)
    cluster.until("the refused claim", lambda: phase_of(cluster) == "Failed", timeout=60)
    (machine,) = names(cluster, "machines")
    return machine


def reach(cluster: Cluster, phase: str, machine: str) -> None:
    reached = {
        "launching": lambda: condition(cluster, "machine", "MachineLaunched"),
        "joining": lambda: pids(cluster, NODE, machine),
        "preparing": lambda: running(cluster, "initContainerStatuses"),
        "loading": lambda: running(cluster, "containerStatuses"),
        "ready": lambda: phase_of(cluster) == "Ready",
        "deleting": lambda: phase_of(cluster) == "Ready",
    }
    cluster.until(phase, reached[phase], timeout=600)


def kill_shim(cluster: Cluster) -> None:
    """Kill a container's shim: what it ran must go with it, and the pod starts it again."""
    before = pids(cluster, SHIM)
    kill(cluster, SHIM)
    cluster.until("another shim", lambda: [pid for pid in pids(cluster, SHIM) if pid not in before], timeout=60)
    assert len(pids(cluster, WEIGHTS)) <= 1, "what the killed shim had started goes on beside another one"


def serves(cluster: Cluster) -> None:
    cluster.until("Ready", lambda: phase_of(cluster) == "Ready", timeout=600, seen=lambda: phase_of(cluster))
    for kind in ("machines", "nodes", "pods"):
        assert len(names(cluster, kind)) == 1, kind
    assert len(list((cluster.directory / "cloud" / "instances").glob("*.json"))) == 1
    # A killed machine's pod is Ready until a kubelet looks at it again, as anywhere: the answer is what counts.
    cluster.until("an answer", lambda: answers(cluster), timeout=600)
    assert len(pids(cluster, SERVER)) == 1


def answers(cluster: Cluster) -> bool:
    address = cluster.kubectl("get", "pods", *OF_IT, "-o", "jsonpath={.items[0].status.podIP}")
    try:
        answer = httpx.post(f"http://{address}:5000/chat", json={"prompt": "Who are you?"}, timeout=60)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and "Result" in answer.json()


def nothing_is_left(cluster: Cluster, machine: str) -> None:
    def left() -> list[str]:
        objects = [
            f"{kind}/{name}"
            for kind in ("machines", "nodes", "pods", "services,configmaps,secrets")
            for name in names(cluster, kind)
        ]
        instances = [path.name for path in (cluster.directory / "cloud" / "instances").glob("*.json")]
        return objects + instances + [line for line in cluster.processes() if machine in line or SERVER in line]

    cluster.until("the Workspace gone", lambda: cluster.object("workspace", "killed") is None, timeout=180)
    cluster.until("nothing left", lambda: not left(), timeout=120, seen=left)


def names(cluster: Cluster, kinds: str) -> list[str]:
    return cluster.kubectl("get", kinds, *OF_IT, "-o", 'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}').split()


def phase_of(cluster: Cluster) -> str:
    found = cluster.kubectl("get", "workspace", "killed", "-o", "jsonpath={.status.phase}", check=False)
    return found.strip()


def condition(cluster: Cluster, kind: str, name: str) -> bool:
    listed = json.loads(cluster.kubectl("get", kind, *OF_IT, "-o", "json"))["items"]
    return any(
        one["type"] == name and one["status"] == "True"
        for item in listed
        for one in item.get("status", {}).get("conditions", [])
    )


def running(cluster: Cluster, statuses: str) -> bool:
    """Tell whether a container runs, or has run: a phase that is over was reached."""
    listed: list[dict[str, Any]] = json.loads(cluster.kubectl("get", "pods", *OF_IT, "-o", "json"))["items"]
    states = [one["state"] for item in listed for one in item.get("status", {}).get(statuses, [])]
    return any("running" in state or "terminated" in state for state in states)
