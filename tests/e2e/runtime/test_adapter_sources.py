"""Adapters from a directory, a registry, by URL and from a hub. One real vLLM for the file, sized by what it finds.

Its directory has every bad adapter and one good one: each says why, and nothing else notices.
"""

import hashlib
import http.server
import io
import signal
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hub import FakeHub, Repository, RepositoryFile
from registry import PASSWORD, RealRegistry
from runtime.adapter_files import write_adapter
from runtime.bad_adapters import BAD_ADAPTERS
from runtime.engine_loss import lose_engine
from runtime.peft_files import AdapterFiles
from runtime.server import PRESET, TOKEN, Answer, RuntimeServer

PATIENCE_SECONDS = 60
FILES = ("adapter_config.json", "adapter_model.safetensors")


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a pod's Secrets for registries are mounted into. It is read at each pull."""
    return tmp_path_factory.mktemp("credentials")


@pytest.fixture(scope="module")
def registry(credentials: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with RealRegistry.run(tmp_path_factory.mktemp("registry"), protected=True) as registry:
        (credentials / "team.json").write_text(registry.docker_config())
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
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter directory of the server: `good`, and the bad ones."""
    directory = tmp_path_factory.mktemp("adapters")
    good = AdapterFiles()
    good.spread = 0.5
    good.write(directory / "good")
    for case, (change, _, _) in BAD_ADAPTERS.items():
        change(AdapterFiles(), directory / folder_name(case))
    return directory


@pytest.fixture(scope="module")
def server(
    stand_in: Path, directory: Path, credentials: Path, hub: FakeHub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RuntimeServer]:
    folder = tmp_path_factory.mktemp("server")
    server = RuntimeServer(
        folder,
        stand_in,
        f"--served-model-name={PRESET}",
        "--max-model-len=2048",
        f"--kaito-adapters-dir={directory}",
        f"--kaito-adapter-store={folder / 'store'}",
        f"--kaito-adapter-credentials-dir={credentials}",
        "--kaito-adapter-private-sources",
    )
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


def folder_name(case: str) -> str:
    return "bad-" + "".join(letter if letter.isalnum() else "-" for letter in case.lower()).strip("-")


def put(server: RuntimeServer, adapter: dict[str, Any]) -> None:
    assert server.order("PUT", f"/v1/adapters/{adapter['name']}", adapter).status < 300


def settled(server: RuntimeServer, name: str, *states: str) -> dict[str, Any]:
    """Return the status of an adapter once it is in one of these states."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found: dict[str, Any] = {}
    while time.monotonic() < deadline:
        found = statuses(server).get(name, {})
        if found.get("state") in states:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{name} is not {states}: {found}\n{server.log()[-3000:]}")


def statuses(server: RuntimeServer) -> dict[str, dict[str, Any]]:
    """Return the status of each adapter by its name."""
    status = server.ask("/v1/status", admin=True, token=TOKEN).body
    return {adapter["name"]: adapter for adapter in status["adapters"]}


def asked(server: RuntimeServer, model: str) -> Answer:
    body = {"model": model, "prompt": "What is the weather?", "max_tokens": 12, "temperature": 0}
    return server.ask("/v1/completions", body)


def text(server: RuntimeServer, model: str) -> str:
    answer = asked(server, model)
    assert answer.status == 200, answer
    return str(answer.body["choices"][0]["text"])


def digest(adapter: Path) -> str:
    """Return what the store calls an adapter: the digest of the list that `sha256sum` prints of its files."""
    sums = [f"{hashlib.sha256((adapter / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
    return "sha256:" + hashlib.sha256("".join(sums).encode()).hexdigest()


def test_each_bad_adapter_says_why_it_is_not_served(server: RuntimeServer) -> None:
    found = statuses(server)
    reasons = {case: found[folder_name(case)]["reason"] for case in BAD_ADAPTERS}
    assert reasons == {case: reason for case, (_, reason, _) in BAD_ADAPTERS.items()}
    assert {found[folder_name(case)]["state"] for case in BAD_ADAPTERS} == {"Failed"}
    assert all(found[folder_name(case)]["message"] for case in BAD_ADAPTERS)


def test_the_good_one_and_the_base_are_served(server: RuntimeServer) -> None:
    assert statuses(server)["good"]["state"] == "Ready"
    assert text(server, PRESET) != text(server, "good")
    listed = {model["id"] for model in server.ask("/v1/models").body["data"]}
    assert "good" in listed
    assert not any(name.startswith("bad-") for name in listed)


def test_a_bad_adapter_asked_for_by_name_is_404(server: RuntimeServer) -> None:
    for case in BAD_ADAPTERS:
        assert asked(server, folder_name(case)).status == 404
    assert asked(server, PRESET).status == 200


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
    answers = {text(server, PRESET)}
    for name in sources:
        status = settled(server, name, "Ready", "Failed")
        assert (status["state"], status["digest"]) == ("Ready", digest(made[name])), status
        answers.add(text(server, name))
    assert len(answers) == 4


def test_an_image_that_is_pushed_later_is_served_then(
    server: RuntimeServer, registry: RealRegistry, made: dict[str, Path]
) -> None:
    put(server, {"name": "late", "image": f"{registry.host}/team/late:v1", "imagePullSecrets": ["team"]})
    assert settled(server, "late", "Failed")["reason"] == "SourceNotFound"
    registry.push(made["late"], "team/late:v1")
    assert settled(server, "late", "Ready")["digest"] == digest(made["late"])


def test_what_cannot_be_had_says_why_and_harms_nobody(server: RuntimeServer, registry: RealRegistry, web: str) -> None:
    before = text(server, PRESET)
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
    assert text(server, PRESET) == before
    assert PASSWORD not in server.log()


def test_an_engine_that_dies_with_its_adapters_is_seen_and_told(server: RuntimeServer) -> None:
    """The last of the file: the server has ended afterwards."""
    lose_engine(server, signal.SIGKILL, "EngineDied", 1)
