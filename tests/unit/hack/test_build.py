"""Where the programs of the real control plane come from."""

import io
import os
import platform
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

KUBE = Path(__file__).resolve().parents[3] / "hack" / "kube"
GO = """\
#!/bin/sh
[ "$1" = env ] && { echo $VERSION; exit; }
while [ "$1" != -o ]; do shift; done
echo "made by $0" > "$2" && chmod +x "$2"
"""
"""Answers for its version and makes programs that tell which Go made them."""
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


def build(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run hack/kube/build where no Go and no earlier build can be found by accident."""
    given = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    return subprocess.run([KUBE / "build"], env=given, capture_output=True, text=True, check=False, timeout=30)


def programs(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch(mode=0o755)


def test_programs_that_are_given_are_used(tmp_path: Path) -> None:
    programs(tmp_path, *PROGRAMS)
    assert build(KUBEBUILDER_ASSETS=str(tmp_path)).stdout == f"{tmp_path}\n"


def test_a_program_that_is_missing_among_those_given_is_named(tmp_path: Path) -> None:
    programs(tmp_path, *PROGRAMS[:2])
    done = build(KUBEBUILDER_ASSETS=str(tmp_path))
    assert done.returncode == 1
    assert "has no kube-scheduler" in done.stderr


def test_what_was_built_once_needs_no_go(tmp_path: Path) -> None:
    programs(tmp_path / "kubernetes-v1.34.4-etcd-v3.6.5", *PROGRAMS)
    done = build(KAITO_KUBE_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/kubernetes-v1.34.4-etcd-v3.6.5\n"


def test_the_cache_is_the_users(tmp_path: Path) -> None:
    programs(tmp_path / "kaito" / "kube" / "kubernetes-v1.34.4-etcd-v3.6.5", *PROGRAMS)
    assert build(XDG_CACHE_HOME=str(tmp_path)).stdout.startswith(f"{tmp_path}/kaito/kube/")


@pytest.fixture
def proxy() -> Iterator[str]:
    """A module proxy with one toolchain."""
    machine = {"x86_64": "amd64"}.get(platform.machine(), "arm64")
    module = f"v0.0.1-go1.24.0.{platform.system().lower()}-{machine}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("bin/go", "pkg/tool/linux/compile", "VERSION"):
            file.writestr(f"golang.org/toolchain@{module}/{name}", GO)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == f"/golang.org/toolchain/@v/{module}.zip"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(archive.getvalue() if found else b"not found")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("version", "used"), [("go1.24.0", "PATH"), ("go1.30.2", "PATH"), ("go1.22.5", "cache")])
def test_the_go_on_the_path_is_used_where_it_is_new_enough(proxy: str, tmp_path: Path, version: str, used: str) -> None:
    programs(tmp_path / "bin", "go")
    (tmp_path / "bin" / "go").write_text(GO.replace("$VERSION", version))
    path = f"{tmp_path}/bin:{Path(sys.executable).parent}:/usr/bin:/bin"
    done = build(PATH=path, GOPROXY=proxy, KAITO_KUBE_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    go = {"PATH": tmp_path / "bin" / "go", "cache": tmp_path / "cache" / "go-1.24.0" / "bin" / "go"}[used]
    assert {(Path(done.stdout.strip()) / program).read_text() for program in PROGRAMS} == {f"made by {go}\n"}


REGISTRY = KUBE.parent / "registry"


def build_registry(**environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    return subprocess.run([REGISTRY / "build"], env=given, capture_output=True, text=True, check=False, timeout=30)


def test_a_registry_that_is_given_is_used() -> None:
    assert build_registry(KAITO_REGISTRY="/opt/registry").stdout == "/opt/registry\n"


def test_the_registry_is_built_once_with_a_go_that_is_new_enough(tmp_path: Path) -> None:
    programs(tmp_path / "bin", "go")
    (tmp_path / "bin" / "go").write_text(GO.replace("$VERSION", "go1.30.2"))
    first = build_registry(PATH=f"{tmp_path}/bin:/usr/bin:/bin", KAITO_REGISTRY_CACHE=str(tmp_path / "cache"))
    assert first.returncode == 0, first.stderr
    assert Path(first.stdout.strip()).read_text() == f"made by {tmp_path}/bin/go\n"
    assert build_registry(KAITO_REGISTRY_CACHE=str(tmp_path / "cache")).stdout == first.stdout


def fetch(version: str, folder: Path, proxy: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GOPROXY": f"{proxy},direct"}
    command = [sys.executable, str(KUBE / "fetch-go"), version, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)


def test_a_toolchain_from_the_module_proxy_can_be_run(proxy: str, tmp_path: Path) -> None:
    done = fetch("1.24.0", tmp_path / "go", proxy)
    assert done.returncode == 0, done.stderr
    assert os.access(tmp_path / "go" / "bin" / "go", os.X_OK)
    assert os.access(tmp_path / "go" / "pkg" / "tool" / "linux" / "compile", os.X_OK)
    assert not os.access(tmp_path / "go" / "VERSION", os.X_OK)


def test_a_toolchain_that_the_proxy_does_not_have_leaves_nothing(proxy: str, tmp_path: Path) -> None:
    done = fetch("9.99.9", tmp_path / "go", proxy)
    assert done.returncode != 0
    assert "404" in done.stderr
    assert list(tmp_path.iterdir()) == []
