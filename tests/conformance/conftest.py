"""The same questions to the embedded API server and, with `--kubeconfig`, to a real one. The real one is right."""

import base64
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from asking import Api

from kaito.local.ports import free_port

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api(kubeconfig: Path) -> Iterator[Api]:
    yield from _connected(kubeconfig)


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """How the server is reached, while it runs."""
    given = request.config.getoption("--kubeconfig")
    if given:
        yield Path(given)
        return
    folder = tmp_path_factory.mktemp("server")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    port = str(free_port())
    arguments = ["--data-dir", str(folder), "--port", port, "--token-file", str(folder / "token")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["kaito-apiserver", *arguments], env=environment, stderr=log)
        kubeconfig = _kubeconfig(folder, port)
        controllers = subprocess.Popen(
            [sys.executable, "-m", "kaito.local.cluster", "--kubeconfig", str(kubeconfig)], env=environment, stderr=log
        )
        try:
            yield kubeconfig
        finally:
            for process in (controllers, server):
                process.terminate()
                process.wait(20)


def _kubeconfig(folder: Path, port: str) -> Path:
    """Wait for the server, which makes its own certificate and token, and write how to reach it."""
    authority, token = folder / "tls" / "ca.crt", folder / "token"
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                break
        time.sleep(0.1)
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "it",
                "clusters": [
                    {
                        "name": "it",
                        "cluster": {
                            "server": f"https://127.0.0.1:{port}",
                            "certificate-authority-data": base64.b64encode(authority.read_bytes()).decode(),
                        },
                    }
                ],
                "users": [{"name": "it", "user": {"token": token.read_text().strip()}}],
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            }
        )
    )
    return path


def _connected(kubeconfig: Path) -> Iterator[Api]:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    api = Api(cluster["server"], authority, user["token"])
    yield api
    api.close()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of this test alone."""
    name = f"row-{os.getpid()}-{next(_numbers)}"
    assert api.post("/api/v1/namespaces", {"metadata": {"name": name}}).code == 201
    published = "/api/v1/namespaces/{}/configmaps/kube-root-ca.crt"
    if api.get(published.format("default")).code == 200:  # a watch must not meet what the server's own controllers make
        api.until(lambda: api.get(published.format(name)).code, lambda code: code == 200)
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"
