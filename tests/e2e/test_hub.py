"""`kaito up --weights hub`, with `HF_ENDPOINT` at a hub of our own: refused, missing, broken off, slow, then served.

The public hub was not asked, here or anywhere. What is downloaded is a real model of the preset's architecture, but
tiny, padded to 24 MB. vLLM starts once: who is refused never gets so far.
"""

import ipaddress
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cluster import EXAMPLES, Cluster
from hub import SIGNATURE, FakeHub, Repository, RepositoryFile

from kaito.local.ports import free_port

NAME, MISSING = "workspace-qwen-small", "workspace-missing"
REPOSITORY = "Qwen/Qwen2.5-0.5B-Instruct"
TOKEN = "hf_c4n4ry"
SIZE = 24_000_000
Files = tuple[RepositoryFile, ...]
ANSWER = "These weights came from the hub."


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Files]]:
    """Begin to make the preset's architecture in small; return how to get its files when they are needed."""
    if request.config.getoption("--kubeconfig"):
        pytest.skip("needs a cluster with --weights hub, and this one's controllers were started by others")
    folder = tmp_path_factory.mktemp("model")
    text = folder / "lesson"
    text.write_text(f"Q: *\nA: {ANSWER}\n\nQ: Hello\nA: Hello.\n")
    arguments = ["--preset=small", "--architecture=Qwen2ForCausalLM", f"--output={folder}/made", f"--text={text}"]
    with subprocess.Popen([sys.executable, "-m", "kaito.runtime.main", "stand-in", *arguments]) as making:
        yield lambda: (making.wait(300), files_of(folder / "made"))[1]
        making.kill()


def files_of(made: Path) -> Files:
    """Return a stand-in as a repository's files, without what says that it is one."""
    config = json.loads((made / "config.json").read_bytes())
    config = {name: value for name, value in config.items() if not name.startswith("_kaito")}
    others = ("generation_config.json", "tokenizer.json", "tokenizer_config.json")
    return (
        RepositoryFile("README.md", b"# A model"),
        RepositoryFile("config.json", json.dumps(config).encode()),
        RepositoryFile("model.safetensors", padded((made / "model.safetensors").read_bytes()), large=True),
        *(RepositoryFile(name, (made / name).read_bytes()) for name in others),
    )


def padded(weights: bytes) -> bytes:
    """Return a safetensors file with as much metadata as makes it `SIZE` bytes."""
    length = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + length])
    missing = SIZE - len(weights) - 100
    text = json.dumps({**header, "__metadata__": {"format": "pt", "padding": "x" * missing}}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + weights[8 + length :]


@pytest.fixture(scope="module")
def hub(model: object) -> Iterator[FakeHub]:
    """The preset's repository at its pinned commit, given to the account of `TOKEN`: slowly, and once broken off."""
    presets = yaml.safe_load((EXAMPLES.parent / "presets.yaml").read_text())["presets"]
    commit = next(preset["revision"] for preset in presets if preset["repository"] == REPOSITORY)
    files = (RepositoryFile("config.json", b"{}"),)
    with FakeHub(Repository(REPOSITORY, files, commit, gated=True, readers={TOKEN}), tokens={TOKEN}) as hub:
        hub.troubles.bytes_per_second = 2_000_000
        hub.troubles.cuts, hub.troubles.cut_after = ["close"], SIZE * 3 // 4
        yield hub


@pytest.fixture(scope="module")
def cluster(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of this file's own."""
    directory, port = tmp_path_factory.mktemp("hub"), free_port()
    pods, services = f"127.{60 + port % 20}.0.0/16", f"127.{80 + port % 20}.0.0/16"
    arguments = ("--dir", str(directory), "--port", str(port), "--pod-cidr", pods, "--service-cidr", services)
    cluster = Cluster(
        directory, directory / "kubeconfig", ipaddress.IPv4Network(pods), (*arguments, "--weights", "hub")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        patch.setenv("HF_HOME", str(directory / "home"))  # no token of the person who runs this
        cluster.up()
        yield cluster
        cluster.kaito("down")
    left = cluster.processes()
    assert not left, f"processes left after `kaito down`: {left}"


@pytest.fixture(scope="module")
def applied(cluster: Cluster) -> Cluster:
    """The example, with a Secret that is not there yet; and a Workspace whose model this hub does not have."""
    manifest = yaml.safe_load((EXAMPLES / "inference" / "kaito_workspace_qwen_2.5_0.5b.yaml").read_text())
    manifest["inference"]["preset"]["presetOptions"] = {"modelAccessSecret": "hub-token"}
    cluster.apply(yaml.safe_dump(manifest))
    manifest["metadata"]["name"] = MISSING
    manifest["resource"]["labelSelector"] = {"matchLabels": {"apps": MISSING}}
    manifest["inference"]["preset"] = {"name": "phi-3-mini-4k-instruct"}
    cluster.apply(yaml.safe_dump(manifest))
    return cluster


def status(cluster: Cluster, name: str) -> dict[str, Any]:
    found = cluster.object("workspace", name) or {}
    return dict(found.get("status") or {})


def failed_with(cluster: Cluster, name: str, reason: str) -> dict[str, Any]:
    """Wait until a Workspace shows a failure, and return it."""

    def failure() -> dict[str, Any] | None:
        last = status(cluster, name).get("lastFailure") or {}
        return last if last.get("reason") == reason else None

    found: dict[str, Any] = cluster.until(f"{name} says {reason}", failure, 240, lambda: status(cluster, name))
    return found


def test_a_gated_model_names_the_field_for_the_secret(applied: Cluster) -> None:
    failure = failed_with(applied, NAME, "ModelAccessRequired")
    assert REPOSITORY in failure["message"]
    assert "inference.preset.presetOptions.modelAccessSecret" in json.dumps(failure)


def test_a_model_that_the_hub_does_not_have_is_named(applied: Cluster, hub: FakeHub) -> None:
    failure = failed_with(applied, MISSING, "ModelNotFound")
    assert "microsoft/Phi-3-mini-4k-instruct" in failure["message"]
    assert hub.endpoint in failure["message"]
    applied.kubectl("delete", "workspace", MISSING, "--timeout=120s", timeout=150)


def test_with_the_secret_it_downloads_slowly_and_says_how_far_it_is(
    applied: Cluster, hub: FakeHub, model: Callable[[], Files]
) -> None:
    assert not hub.sent
    hub.repositories[REPOSITORY].files = model()
    applied.kubectl("create", "secret", "generic", "hub-token", f"--from-literal=HF_TOKEN={TOKEN}")

    def progress() -> str:
        return " ".join(re.findall(r"downloading [1-9]\d* of 24 MB", json.dumps(status(applied, NAME)))[:1])

    applied.until("the status says how far the download is", progress, 120, lambda: status(applied, NAME))
    assert status(applied, NAME)["phase"] == "LoadingWeights"


def test_it_is_served_after_a_break_and_one_download_of_each_byte_but_the_last_ten_megabytes(
    applied: Cluster, hub: FakeHub
) -> None:
    applied.until("WorkspaceReady", lambda: "endpoint" in status(applied, NAME), 300, lambda: status(applied, NAME))
    weights = [seen for seen in hub.seen if (seen.host, seen.method) == ("cdn", "GET")]
    assert [seen.range for seen in weights] == ["", "bytes=10485760-"]
    pods = applied.object("pods", "-l", f"kaito.sh/workspace={NAME}") or {}
    url = f"http://{pods['items'][0]['status']['podIP']}:5000"
    answer = httpx.post(f"{url}/chat", json={"prompt": "What is Kubernetes?"}, timeout=60).raise_for_status().json()
    assert answer == {"Result": ANSWER}
    assert REPOSITORY in httpx.get(f"{url}/v1/models", timeout=10).raise_for_status().text


def test_the_token_is_in_the_secret_alone(applied: Cluster, hub: FakeHub) -> None:
    objects = applied.kubectl("get", "workspaces,machines,nodes,pods,deployments,events", "-A", "-o", "json")
    logs = "".join(path.read_text(errors="replace") for path in applied.directory.rglob("*.log"))
    logs += applied.kubectl("logs", "-l", f"kaito.sh/workspace={NAME}", "--tail=-1")
    assert "downloading" in logs
    for secret in (TOKEN, SIGNATURE):
        assert secret not in objects
        assert secret not in logs
        assert secret not in "".join(applied.processes())
    assert {seen.authorization for seen in hub.seen if seen.host == "cdn"} == {""}
