"""Adapters from a registry, by URL and from a hub, into a real vLLM that is serving."""

import hashlib
import http.server
import io
import json
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hub import FakeHub, Repository, RepositoryFile
from registry import PASSWORD, RealRegistry
from runtime.adapter_files import write_adapter
from runtime.server import TOKEN, RuntimeServer

PATIENCE_SECONDS = 60
FILES = ("adapter_config.json", "adapter_model.safetensors")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with RealRegistry.run(tmp_path_factory.mktemp("registry"), protected=True) as registry:
        yield registry


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters that answer differently, by name."""
    folder = tmp_path_factory.mktemp("made")
    for seed, name in enumerate(("image", "late", "archive", "hub")):
        write_adapter(folder / name, seed=seed)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def hub(made: dict[str, Path]) -> Iterator[FakeHub]:
    files = tuple(RepositoryFile(name, (made["hub"] / name).read_bytes()) for name in FILES)
    with FakeHub(Repository("team/adapter", files)) as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        patch.delenv("HF_HUB_OFFLINE", raising=False)
        yield hub


@pytest.fixture(scope="module")
def web(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("web")
    with tarfile.open(folder / "adapter.tar.gz", "w:gz") as archive:
        archive.add(made["archive"], "data")
    with tarfile.open(folder / "evil.tar", "w") as archive:
        entry = tarfile.TarInfo("../../evil")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"evil"))
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def server(
    stand_in: Path, registry: RealRegistry, hub: FakeHub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RuntimeServer]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "credentials").mkdir()
    (folder / "credentials" / "team.json").write_text(registry.docker_config())
    server = RuntimeServer(
        folder,
        stand_in,
        "--served-model-name=base",
        f"--kaito-adapter-store={folder / 'store'}",
        f"--kaito-adapter-credentials-dir={folder / 'credentials'}",
        "--kaito-adapter-private-sources",
    )
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


def put(server: RuntimeServer, adapter: dict[str, Any]) -> None:
    url = f"http://{server.host}:{server.admin_port}/v1/adapters/{adapter['name']}"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(url, json.dumps(adapter).encode(), headers, method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status < 300


def settled(server: RuntimeServer, name: str, *states: str) -> dict[str, Any]:
    """Return the status of an adapter once it is in one of these states."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        status = server.ask("/v1/status", admin=True, token=TOKEN).body
        found = [each for each in status["adapters"] if each["name"] == name]
        if found and found[0]["state"] in states:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"{name} is not {states}: {found}\n{server.log()[-3000:]}")


def answer(server: RuntimeServer, model: str) -> str:
    body = {"model": model, "prompt": "What is the weather?", "max_tokens": 12, "temperature": 0}
    text: str = server.ask("/v1/completions", body).body["choices"][0]["text"]
    return text


def digest(adapter: Path) -> str:
    """Return what the store calls an adapter: the digest of the list that `sha256sum` prints of its files."""
    sums = [f"{hashlib.sha256((adapter / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
    return "sha256:" + hashlib.sha256("".join(sums).encode()).hexdigest()


def test_each_source_is_served_and_has_the_digest_of_its_files(
    server: RuntimeServer, registry: RealRegistry, web: str, made: dict[str, Path]
) -> None:
    registry.push(made["image"], "team/adapter:v1")
    image = {"image": f"{registry.host}/team/adapter:v1", "imagePullSecrets": ["team"]}
    sources: dict[str, dict[str, Any]] = {
        "image": image,
        "archive": {"urls": [f"{web}/adapter.tar.gz"]},
        "hub": {"hub": "team/adapter"},
    }
    for name, source in sources.items():
        put(server, {"name": name, **source})
    answers = {answer(server, "base")}
    for name in sources:
        status = settled(server, name, "Ready", "Failed")
        assert (status["state"], status["digest"]) == ("Ready", digest(made[name])), status
        answers.add(answer(server, name))
    assert len(answers) == 4


def test_an_image_that_is_pushed_later_is_served_then(
    server: RuntimeServer, registry: RealRegistry, made: dict[str, Path]
) -> None:
    put(server, {"name": "late", "image": f"{registry.host}/team/late:v1", "imagePullSecrets": ["team"]})
    assert settled(server, "late", "Failed")["reason"] == "SourceNotFound"
    registry.push(made["late"], "team/late:v1")
    assert settled(server, "late", "Ready")["digest"] == digest(made["late"])


def test_what_cannot_be_had_says_why_and_harms_nobody(server: RuntimeServer, registry: RealRegistry, web: str) -> None:
    before = answer(server, "base")
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "locked": ({"image": f"{registry.host}/team/adapter:v1"}, "SourceUnauthorized"),
        "evil": ({"urls": [f"{web}/evil.tar"]}, "ArchiveInvalid"),
        "metadata": ({"urls": ["http://169.254.169.254/latest.tar"]}, "SourceNotAllowed"),
        "nowhere": ({"image": "127.0.0.1:1/team/adapter:v1"}, "SourceUnreachable"),
    }
    for name, (source, _) in cases.items():
        put(server, {"name": name, **source})
    for name, (_, reason) in cases.items():
        assert settled(server, name, "Failed")["reason"] == reason
    assert answer(server, "base") == before
    assert PASSWORD not in server.log()
