"""The first quick start of the KAITO page, as a newcomer would type it."""

import json
import os
import re
import subprocess
from collections.abc import Iterator

import httpx
import openai
import pytest
from cluster import EXAMPLES, Cluster
from terminal import terminal

NAME = "workspace-phi-3-mini"


@pytest.fixture(scope="module")
def workspace(cluster: Cluster) -> Iterator[Cluster]:
    """The page's Workspace, applied and ready; deleted afterwards, which must leave nothing."""
    cluster.apply(EXAMPLES / "inference" / "kaito_workspace_phi_3.yaml")
    cluster.until("WORKSPACEREADY True", lambda: column(cluster, "WORKSPACEREADY") == "True", timeout=600)
    yield cluster
    cluster.kubectl("delete", "workspace", NAME, "--ignore-not-found", "--timeout=120s", timeout=150)


def column(cluster: Cluster, name: str) -> str:
    """Return one column of `kubectl get workspace NAME`, read as a person reads it: under its heading."""
    table = cluster.kubectl("get", "workspace", NAME).splitlines()
    return dict(zip(table[0].split(), table[1].split(), strict=False)).get(name, "")


def cluster_ip(cluster: Cluster) -> str:
    return cluster.kubectl("get", "svc", NAME, "-o", "jsonpath={.spec.clusterIPs[0]}")


def address(cluster: Cluster) -> str:
    """Return where the model answers: the ClusterIP as on the page, or the pod's own port where 80 needs root."""
    if os.geteuid() == 0:
        return f"http://{cluster_ip(cluster)}"
    pod_ip = cluster.kubectl(
        "get", "pods", "-l", f"kaito.sh/workspace={NAME}", "-o", "jsonpath={.items[0].status.podIP}"
    )
    return f"http://{pod_ip}:5000"


def test_get_workspace_prints_exactly_the_columns_of_the_page(workspace: Cluster) -> None:
    header, row = workspace.kubectl("get", "workspace", NAME).splitlines()
    assert header.split() == ["NAME", "INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY", "AGE"]
    assert row.split()[:5] == [NAME, "Standard_NC6s_v3", "True", "True", "True"]


def test_get_svc_prints_the_ports_of_the_page(workspace: Cluster) -> None:
    header, row = workspace.kubectl("get", "svc", NAME).splitlines()
    assert header.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert row.split()[:2] == [NAME, "ClusterIP"]
    assert row.split()[4] == "80/TCP,29500/TCP"


def test_chat_answers_the_curl_of_the_page(workspace: Cluster) -> None:
    answer = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "-X", "POST", f"{address(workspace)}/chat",
         "-H", "accept: application/json", "-H", "Content-Type: application/json",
         "-d", '{"prompt":"YOUR QUESTION HERE"}'],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    body = json.loads(answer.stdout)
    assert list(body) == ["Result"]
    assert "stand-in" in body["Result"], "the stand-in must say that it is one"


def test_the_pages_kubectl_run_line_works_as_printed(workspace: Cluster) -> None:
    if os.geteuid() != 0:
        pytest.skip("the ClusterIP's port 80 needs root")
    line = (
        "kubectl run -it --rm --restart=Never curl --image=curlimages/curl -- curl -X POST http://$CLUSTERIP/chat "
        '-H "accept: application/json" -H "Content-Type: application/json" '
        r'-d "{\"prompt\":\"YOUR QUESTION HERE\"}"'
    )
    environment = {**workspace.environment(), "CLUSTERIP": cluster_ip(workspace)}
    with terminal(["sh", "-c", line], environment) as screen:
        assert screen.end() == 0, screen.shown
    assert re.search(r'\{"Result": ?".*stand-in.*"\}', screen.shown), screen.shown
    assert 'pod "curl" deleted' in screen.shown
    assert "warning" not in screen.shown
    assert workspace.object("pod", "curl") is None


def test_the_openai_client_gets_a_completion(workspace: Cluster) -> None:
    client = openai.OpenAI(base_url=f"{address(workspace)}/v1", api_key="unused")
    completion = client.completions.create(model="phi-3-mini-4k-instruct", prompt="Hello", max_tokens=16)
    assert completion.choices[0].text
    assert completion.usage is not None
    assert 0 < completion.usage.completion_tokens <= 16


def test_the_openai_client_streams_a_chat(workspace: Cluster) -> None:
    client = openai.OpenAI(base_url=f"{address(workspace)}/v1", api_key="unused")
    stream = client.chat.completions.create(
        model="phi-3-mini-4k-instruct",
        messages=[{"role": "user", "content": "What are you?"}],
        max_tokens=64,
        temperature=0,
        stream=True,
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert len([piece for piece in pieces if piece]) > 1
    assert "stand-in" in "".join(pieces)


def test_v1_models_says_that_the_weights_are_a_stand_in(workspace: Cluster) -> None:
    models = httpx.get(f"{address(workspace)}/v1/models", timeout=30).json()
    assert {model["id"] for model in models["data"]} == {"phi-3-mini-4k-instruct", NAME}
    assert all(model["weights"]["kind"] == "stand-in" for model in models["data"])


def test_health_and_metrics_answer_on_the_serving_port(workspace: Cluster) -> None:
    assert httpx.get(f"{address(workspace)}/healthz", timeout=30).status_code == 200
    assert httpx.get(f"{address(workspace)}/readyz", timeout=30).status_code == 200
    assert "vllm:num_requests_running" in httpx.get(f"{address(workspace)}/metrics", timeout=30).text


def test_a_wrong_model_name_is_a_404_that_lists_the_right_one(workspace: Cluster) -> None:
    client = openai.OpenAI(base_url=f"{address(workspace)}/v1", api_key="unused", max_retries=0)
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model="no-such-model", prompt="Hello", max_tokens=1)


def test_the_status_tells_phases_with_their_times_and_the_endpoint(workspace: Cluster) -> None:
    found = workspace.object("workspace", NAME)
    assert found is not None
    status = found["status"]
    assert status["phase"] == "Ready"
    assert len(status["timeline"]) >= 3
    assert all(row["seconds"] >= 0 for row in status["timeline"])
    assert status["endpoint"].startswith("http://workspace-phi-3-mini.default")
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions["ResourceReady"] == conditions["InferenceReady"] == conditions["WorkspaceReady"] == "True"


def test_get_of_everything_reads_well(workspace: Cluster) -> None:
    tables = workspace.kubectl("get", "nodes,machines,workspaces,pods,svc,events")
    for heading in ("STATUS", "TYPE", "INSTANCE", "READY", "CLUSTER-IP", "REASON"):
        assert heading in tables
    assert "node/ws" in tables
    assert "machine.karpenter.sh/ws" in tables
    assert f"workspace.kaito.sh/{NAME}" in tables
    assert f"pod/{NAME}-" in tables
    assert f"service/{NAME}-headless" in tables


def test_describe_shows_conditions_and_events(workspace: Cluster) -> None:
    text = workspace.kubectl("describe", "workspace", NAME)
    assert "WorkspaceReady" in text
    assert "Events:" in text
    assert "<none>" not in text.split("Events:")[1]


def test_logs_of_the_pod_say_which_weights_it_serves(workspace: Cluster) -> None:
    logs = workspace.kubectl("logs", "-l", f"kaito.sh/workspace={NAME}", "--tail=-1")
    assert "stand-in" in logs


def test_a_second_apply_of_the_same_manifest_changes_nothing(workspace: Cluster) -> None:
    before = workspace.object("workspace", NAME)
    said = workspace.apply(EXAMPLES / "inference" / "kaito_workspace_phi_3.yaml")
    after = workspace.object("workspace", NAME)
    assert "unchanged" in said
    assert before is not None
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_deletion_leaves_no_machine_node_pod_service_or_process(workspace: Cluster) -> None:
    workspace.kubectl("delete", "workspace", NAME, "--timeout=120s", timeout=150)

    def left() -> str:
        return workspace.kubectl(
            "get", "machines,nodes,pods,svc,deployments,replicasets,configmaps,secrets,endpointslices",
            "-o", "name", "--ignore-not-found",
        )  # fmt: skip

    def remains() -> list[str]:
        objects = [line for line in left().splitlines() if NAME in line or line.startswith(("machine", "node/ws"))]
        programs = ("kaito-runtime serve", "--name ws", "VLLM::", "shim.py")
        return objects + [line for line in workspace.processes() if any(name in line for name in programs)]

    workspace.until("nothing of the Workspace left", lambda: not remains(), timeout=60, seen=remains)
