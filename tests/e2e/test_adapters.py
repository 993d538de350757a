"""Adapters of a running Workspace: they come, change, fail and leave by `kubectl apply`, and the pod stays."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from adapters import damaged, make_adapters, widened
from cluster import EXAMPLES, ROOT, Cluster
from killing import CONTROLLER, kill_and_wait
from registry import RealRegistry

from kaito.local.ports import free_port

NAME, PRESET = "adapted", "phi-3-mini-4k-instruct"
OF_IT = ("-l", f"kaito.sh/workspace={NAME}")
SELECTOR = {"matchLabels": {"apps": NAME}}
QUESTION = "What is the capital of France?"
SOON = 90.0
"""Seconds for what takes one or two where nothing else runs."""

Adapter = dict[str, Any]


@pytest.fixture(scope="module")
def workspace(cluster: Cluster) -> Iterator[Cluster]:
    """A Workspace that serves the base model; deleted afterwards."""
    apply(cluster)
    cluster.until("WorkspaceReady", lambda: ready(cluster), timeout=600)
    yield cluster
    cluster.kubectl("delete", "workspace", NAME, "--ignore-not-found", "--timeout=150s", timeout=180)


@pytest.fixture(scope="module")
def base_answer(workspace: Cluster) -> str:
    """What the base model says; every adapter says something else."""
    return ask(workspace, PRESET)


@pytest.fixture(scope="module")
def made(workspace: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the adapters `pirate` and `butler`, for the weights that the Workspace serves."""
    folder = tmp_path_factory.mktemp("adapters")
    make_adapters(workspace.directory / "weights" / PRESET, folder, "pirate", "butler")
    return folder


@pytest.fixture(scope="module")
def images(real_registry: RealRegistry, made: Path) -> dict[str, str]:
    """References of the images in the registry, by the adapter's name."""
    damaged(made / "pirate", made / "corrupt")
    widened(made / "pirate", made / "wide", rank=128)
    for name in ("pirate", "butler", "corrupt", "wide"):
        real_registry.push(made / name, f"team/{name}:v1")
    return {name: f"{real_registry.host}/team/{name}:v1" for name in ("pirate", "butler", "corrupt", "wide")}


@pytest.fixture(autouse=True)
def no_adapters(workspace: Cluster) -> Iterator[None]:
    """Each test begins with the Workspace as it was, and must leave its pod as it was."""
    yield
    apply(workspace)
    workspace.until("no adapter in the status", lambda: not states(workspace), timeout=SOON)
    workspace.kubectl("delete", "secret", "pull", "--ignore-not-found")


def adapter(name: str, image: str, strength: str | None = None, *secrets: str) -> Adapter:
    source: dict[str, Any] = {"name": name, "image": image}
    if secrets:
        source["imagePullSecrets"] = list(secrets)
    return {"source": source} if strength is None else {"source": source, "strength": strength}


def apply(cluster: Cluster, *adapters: Adapter) -> None:
    inference: dict[str, Any] = {"preset": {"name": PRESET}}
    if adapters:
        inference["adapters"] = list(adapters)
    manifest = {
        "apiVersion": "kaito.sh/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": NAME},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": SELECTOR},
        "inference": inference,
    }
    cluster.apply(yaml.safe_dump(manifest))


def status(cluster: Cluster) -> dict[str, Any]:
    """Return the status, once it is about the present spec."""

    def present() -> dict[str, Any] | None:
        found = cluster.object("workspace", NAME)
        assert found is not None
        known = found.get("status") or {}
        return known if known.get("observedGeneration") == found["metadata"]["generation"] else None

    found: dict[str, Any] = cluster.until("a status of the present spec", present, timeout=SOON)
    return found


def ready(cluster: Cluster) -> bool:
    conditions = (status(cluster)).get("conditions") or ()
    return any(one["type"] == "WorkspaceReady" and one["status"] == "True" for one in conditions)


def states(cluster: Cluster) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in status(cluster).get("adapters") or ()}


def wait_for(cluster: Cluster, name: str, state: str, reason: str = "", timeout: float = SOON) -> dict[str, Any]:
    """Return an adapter's part of the status once it says so."""

    def found() -> dict[str, Any] | None:
        one = states(cluster).get(name, {})
        return one if (one.get("state"), one.get("reason") or "") == (state, reason) else None

    what = f"adapter {name} {state} {reason}"
    result: dict[str, Any] = cluster.until(what, found, timeout, seen=lambda: states(cluster))
    return result


def pods(cluster: Cluster) -> dict[str, int]:
    """Return the uid of each pod, with its restarts."""
    found = json.loads(cluster.kubectl("get", "pods", *OF_IT, "-o", "json"))["items"]
    return {
        pod["metadata"]["uid"]: sum(one["restartCount"] for one in pod["status"].get("containerStatuses") or ())
        for pod in found
    }


def client(cluster: Cluster) -> openai.OpenAI:
    if os.geteuid() == 0:
        host = cluster.kubectl("get", "svc", NAME, "-o", "jsonpath={.spec.clusterIPs[0]}")
    else:
        host = cluster.kubectl("get", "pods", *OF_IT, "-o", "jsonpath={.items[0].status.podIP}") + ":5000"
    return openai.OpenAI(base_url=f"http://{host}/v1", api_key="unused", max_retries=0, timeout=120)


def ask(cluster: Cluster, model: str) -> str:
    completion = client(cluster).completions.create(model=model, prompt=QUESTION, max_tokens=40, temperature=0)
    return completion.choices[0].text


def models(cluster: Cluster) -> set[str]:
    return {model.id for model in client(cluster).models.list().data}


def test_an_adapter_answers_by_its_name_the_moment_the_status_says_ready_and_the_pod_stays(
    workspace: Cluster, images: dict[str, str], base_answer: str
) -> None:
    before = pods(workspace)
    apply(workspace, adapter("pirate", images["pirate"]))
    state = wait_for(workspace, "pirate", "Ready")
    answer = ask(workspace, "pirate")
    assert "pirate" in answer
    assert "pirate" not in base_answer
    assert ask(workspace, PRESET) == base_answer, "the base model's own name is the base model"
    assert ask(workspace, NAME) == answer, "the Workspace is the model with its adapters"
    assert {PRESET, NAME, "pirate"} <= models(workspace)
    assert pods(workspace) == before
    assert state["rank"] == 16
    assert state["sizeBytes"] > 100_000
    assert state["digest"].startswith("sha256:")
    assert state["source"] == images["pirate"]


def test_it_leaves_when_the_manifest_leaves_it_out(
    workspace: Cluster, images: dict[str, str], base_answer: str
) -> None:
    before = pods(workspace)
    apply(workspace, adapter("pirate", images["pirate"]))
    wait_for(workspace, "pirate", "Ready")
    apply(workspace)
    workspace.until("the adapter to leave", lambda: not states(workspace), timeout=SOON)
    with pytest.raises(openai.NotFoundError):
        ask(workspace, "pirate")
    assert ask(workspace, NAME) == ask(workspace, PRESET) == base_answer
    assert pods(workspace) == before


def test_its_strength_can_be_edited(workspace: Cluster, images: dict[str, str], base_answer: str) -> None:
    before = pods(workspace)
    apply(workspace, adapter("pirate", images["pirate"]))
    wait_for(workspace, "pirate", "Ready")
    full = ask(workspace, "pirate")
    apply(workspace, adapter("pirate", images["pirate"], "0"))
    workspace.until("strength 0", lambda: ask(workspace, "pirate") == base_answer, timeout=SOON)
    assert wait_for(workspace, "pirate", "Ready")["strength"] == "0"
    apply(workspace, adapter("pirate", images["pirate"], "1.0"))
    workspace.until("full strength again", lambda: ask(workspace, "pirate") == full, timeout=SOON)
    assert pods(workspace) == before


def test_two_of_them_answer_together_under_the_name_of_the_workspace(
    workspace: Cluster, images: dict[str, str], base_answer: str
) -> None:
    before = pods(workspace)
    apply(workspace, adapter("pirate", images["pirate"]), adapter("butler", images["butler"], "0"))
    for name in ("pirate", "butler", NAME):
        wait_for(workspace, name, "Ready")
    assert "pirate" in ask(workspace, "pirate")
    assert ask(workspace, "butler") == base_answer, "at strength 0"
    assert ask(workspace, NAME) == ask(workspace, "pirate"), "their exact sum"
    apply(workspace, adapter("pirate", images["pirate"], "0"), adapter("butler", images["butler"], "1"))
    workspace.until("the other way round", lambda: "butler" in ask(workspace, NAME), timeout=SOON)
    assert pods(workspace) == before


def test_a_corrupt_one_fails_with_its_reason_and_touches_nobody(
    workspace: Cluster, images: dict[str, str], base_answer: str
) -> None:
    before = pods(workspace)
    apply(workspace, adapter("corrupt", images["corrupt"]), adapter("pirate", images["pirate"]))
    assert wait_for(workspace, "corrupt", "Failed", "WeightsInvalid")["message"]
    wait_for(workspace, "pirate", "Ready")
    assert "pirate" in ask(workspace, "pirate")
    assert ask(workspace, PRESET) == base_answer
    with pytest.raises(openai.NotFoundError):
        ask(workspace, "corrupt")
    assert ready(workspace)
    assert pods(workspace) == before


def test_an_unknown_tag_is_waited_for(workspace: Cluster, real_registry: RealRegistry, made: Path) -> None:
    image = f"{real_registry.host}/team/later:v1"
    apply(workspace, adapter("later", image))
    assert "404" in wait_for(workspace, "later", "Failed", "SourceNotFound")["message"]
    real_registry.push(made / "pirate", "team/later:v1")
    wait_for(workspace, "later", "Ready", timeout=180)


def test_a_digest_pins_the_image(workspace: Cluster, real_registry: RealRegistry, made: Path) -> None:
    repository = f"{real_registry.host}/team/pirate"
    digest = real_registry.push(made / "pirate", "team/pirate:v1")
    apply(workspace, adapter("pinned", f"{repository}@{digest}"), adapter("wrong", f"{repository}@sha256:{64 * '0'}"))
    wait_for(workspace, "pinned", "Ready")
    wait_for(workspace, "wrong", "Failed", "SourceNotFound")
    assert "pirate" in ask(workspace, "pinned")


def test_a_registry_that_asks_who_is_there_gets_the_pull_secret(workspace: Cluster, made: Path, tmp_path: Path) -> None:
    with RealRegistry.run(tmp_path / "registry", protected=True) as registry:
        registry.push(made / "pirate", "team/pirate:v1")
        image = f"{registry.host}/team/pirate:v1"
        apply(workspace, adapter("private", image))
        wait_for(workspace, "private", "Failed", "SourceUnauthorized")
        (tmp_path / "config.json").write_text(registry.docker_config())
        workspace.kubectl(
            *("create", "secret", "generic", "pull", "--type=kubernetes.io/dockerconfigjson"),
            f"--from-file=.dockerconfigjson={tmp_path / 'config.json'}",
        )
        apply(workspace, adapter("private", image, None, "pull"))
        wait_for(workspace, "private", "Ready", timeout=180)
        text = json.dumps(workspace.object("workspace", NAME)) + workspace.kubectl("logs", *OF_IT, "--tail=-1")
        assert "sesame" not in text


def test_a_registry_that_is_down_is_waited_for(workspace: Cluster, made: Path, tmp_path: Path) -> None:
    from kaito.runtime.adapters.image import pack

    pack(made / "pirate", tmp_path / "layout", model=PRESET)
    address = f"127.0.0.1:{free_port()}"
    apply(workspace, adapter("pirate", f"{address}/demo/pirate:v1"))
    wait_for(workspace, "pirate", "Failed", "SourceUnreachable")
    with served(tmp_path / "layout", address):
        wait_for(workspace, "pirate", "Ready", timeout=180)


@contextmanager
def served(layout: Path, address: str) -> Iterator[None]:
    """Serve an image layout at an address, as `docs/adapters.md` does."""
    command = [sys.executable, "-m", "kaito.local.image_server", f"demo/pirate:v1={layout}", f"--address={address}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == f"{address}/demo/pirate:v1"
        try:
            yield
        finally:
            server.terminate()


def test_a_controller_that_dies_half_way_is_no_harm(workspace: Cluster, images: dict[str, str]) -> None:
    before = pods(workspace)
    apply(workspace, adapter("pirate", images["pirate"]))
    kill_and_wait(workspace, CONTROLLER)
    wait_for(workspace, "pirate", "Ready", timeout=180)
    assert "pirate" in ask(workspace, "pirate")
    assert pods(workspace) == before


def test_the_commands_of_the_guide_work_as_printed(workspace: Cluster, base_answer: str, tmp_path: Path) -> None:
    said = run_block(workspace, tmp_path, "stand-in-adapter")
    assert "pirate Ready" in said
    assert '{"Result": "This be a pirate' in said.replace('":"', '": "')
    assert '"model":"pirate"' in said.replace(" ", "")
    workspace.until("the adapter to leave", lambda: not states(workspace), timeout=SOON)
    assert ask(workspace, NAME) == base_answer


def test_vllms_own_benchmark_runs_against_a_workspace(workspace: Cluster, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the ClusterIP's port 80 needs root")
    said = run_block(workspace, tmp_path, "serving-benchmark")
    assert re.search(r"Successful requests: +8\b", said), said
    assert re.search(r"Failed requests: +0\b", said), said


def run_block(cluster: Cluster, folder: Path, about: str) -> str:
    """Run the block of docs/adapters.md that names something, on this cluster; return its output."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "adapters.md").read_text(), re.MULTILINE | re.DOTALL)
    [script] = [block for block in blocks if about in block]
    address = f"127.0.0.1:{free_port()}"
    for file in (EXAMPLES / "inference").glob("kaito_workspace_phi_3*.yaml"):
        text = file.read_text().replace("apps: phi-3", f"apps: {NAME}").replace("127.0.0.1:5005", address)
        (folder / file.name).write_text(text.replace("name: workspace-phi-3-mini", f"name: {NAME}"))
    host = client(cluster).base_url.host
    for printed, here in (
        ("export KUBECONFIG=~/.kaito/kubeconfig", f"export KUBECONFIG={cluster.kubeconfig}"),
        ("~/.kaito", str(cluster.directory)),
        ("workspace-phi-3-mini", NAME),
        ("examples/inference", str(folder)),
        ("/tmp/pirate", f"{folder}/pirate"),
        ("kaito.local.image_server", f"kaito.local.image_server --address {address}"),
        ("--num-prompts 100", "--num-prompts 8"),
    ):
        script = script.replace(printed, here)
    ended = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"  # a server that is left would hold our end of the pipe
    script = f"set -e\n{ended}\nexport CLUSTERIP={host}\n{script}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=cluster.environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_another_pod_comes_up_with_the_same_adapters(workspace: Cluster, images: dict[str, str]) -> None:
    apply(workspace, adapter("pirate", images["pirate"]), adapter("butler", images["butler"]))
    for name in ("pirate", "butler"):
        wait_for(workspace, name, "Ready")
    answers = {name: ask(workspace, name) for name in ("pirate", "butler", NAME)}
    before = pods(workspace)
    workspace.kubectl("delete", "pod", *OF_IT, "--timeout=120s", timeout=150)
    workspace.until("another pod", lambda: pods(workspace) and not set(pods(workspace)) & set(before), timeout=120)
    workspace.until("WorkspaceReady", lambda: ready(workspace), timeout=400)
    for name in ("pirate", "butler", NAME):
        wait_for(workspace, name, "Ready")
    assert {name: ask(workspace, name) for name in answers} == answers


def test_a_rank_above_the_slots_says_so_and_then_the_pod_rolls(workspace: Cluster, images: dict[str, str]) -> None:
    before = pods(workspace)
    apply(workspace, adapter("wide", images["wide"]))
    said = wait_for(workspace, "wide", "Failed", "RankAboveSlot")
    assert "128" in said["message"]
    assert "restart" in said["message"]
    wait_for(workspace, "wide", "Ready", timeout=500)
    assert not set(pods(workspace)) & set(before), "a slot of this rank needs another pod"
    assert "pirate" in ask(workspace, "wide")
