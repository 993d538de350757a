"""exec, attach, run -it, port-forward and cp, with the real kubectl, as on any cluster."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from cluster import Cluster, free_port
from terminal import Terminal, terminal

SHELL = """\
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: busybox
      args: [-c, 'exec sleep 3600']
      env: [{name: SETTING, value: from-the-pod}]
      volumeMounts: [{name: data, mountPath: /data-of-shell}]
    - {name: second, image: busybox, args: [-c, 'exec sleep 3600']}
  volumes: [{name: data, emptyDir: {}}]
"""


@pytest.fixture(scope="module")
def shell(cluster: Cluster) -> Iterator[Cluster]:
    cluster.apply(SHELL)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/shell", "--timeout=120s", timeout=150)
    yield cluster
    cluster.kubectl("delete", "pod/shell", "--timeout=60s")


def kubectl(cluster: Cluster, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["kubectl", *arguments], capture_output=True, input=stdin, timeout=120, env=cluster.environment(), check=False
    )


def in_terminal(cluster: Cluster, *arguments: str) -> AbstractContextManager[Terminal]:
    return terminal(["kubectl", *arguments], cluster.environment())


def test_exec_runs_in_the_containers_environment(shell: Cluster) -> None:
    done = kubectl(shell, "exec", "shell", "-c", "main", "--", "sh", "-c", "echo $SETTING; echo oops >&2")
    assert (done.returncode, done.stdout) == (0, b"from-the-pod\n")
    assert b"oops\n" in done.stderr


@pytest.mark.parametrize("code", [1, 3, 255])
def test_the_exit_code_of_the_command_is_that_of_kubectl(shell: Cluster, code: int) -> None:
    done = kubectl(shell, "exec", "shell", "-c", "main", "--", "sh", "-c", f"exit {code}")
    assert done.returncode == code
    assert f"command terminated with exit code {code}".encode() in done.stderr


@pytest.mark.parametrize(("command", "code", "words"), [("nope", 127, "not found in $PATH"), ("/etc", 126, "denied")])
def test_a_command_that_cannot_be_executed_is_named(shell: Cluster, command: str, code: int, words: str) -> None:
    done = kubectl(shell, "exec", "shell", "-c", "main", "--", command)
    assert done.returncode == code
    assert f'exec: "{command}": ' in done.stderr.decode()
    assert words in done.stderr.decode()


def test_the_end_of_the_input_reaches_the_command(shell: Cluster) -> None:
    done = kubectl(shell, "exec", "-i", "shell", "-c", "main", "--", "sh", "-c", "wc -c; echo over", stdin=b"12345")
    assert done.stdout.split() == [b"5", b"over"]


def test_8_mb_go_through_a_command_unharmed(shell: Cluster) -> None:
    blob = os.urandom(8 << 20)
    done = kubectl(shell, "exec", "-i", "shell", "-c", "main", "--", "cat", stdin=blob)
    assert (done.returncode, len(done.stdout), done.stdout == blob) == (0, len(blob), True)


def test_files_are_copied_in_and_out(shell: Cluster, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(os.urandom(1 << 20))
    shell.kubectl("cp", str(tmp_path / "in"), "shell:/data-of-shell/file", "-c", "main")
    shell.kubectl("cp", "shell:/data-of-shell/file", str(tmp_path / "out"), "-c", "main")
    assert (tmp_path / "in").read_bytes() == (tmp_path / "out").read_bytes()
    assert not Path("/data-of-shell").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["exec", "no-such-pod", "--", "true"], 'pods "no-such-pod" not found'),
        (["exec", "shell", "-c", "third", "--", "true"], "third"),
    ],
)
def test_what_is_not_there_is_said(shell: Cluster, arguments: list[str], words: str) -> None:
    done = kubectl(shell, *arguments)
    assert done.returncode != 0
    assert words in done.stderr.decode()


def test_a_terminal_knows_its_size_and_keys(shell: Cluster) -> None:
    with in_terminal(shell, "exec", "-it", "shell", "-c", "main", "--", "sh") as screen:
        screen.type("echo size=$(stty size) term=$TERM\r")
        screen.until("size=24 80 term=xterm")
        screen.resize(40, 100)
        screen.type("while [ \"$(stty size)\" = '24 80' ]; do :; done; echo resized=$(stty size)\r")
        screen.until("resized=40 100")
        screen.type("sleep 3600\r")
        screen.until("sleep 3600")
        screen.type("\x03")
        screen.type("echo in''terrupted; exit 7\r")
        screen.until("interrupted")
        assert screen.end() == 7


def test_control_d_ends_a_shell(shell: Cluster) -> None:
    with in_terminal(shell, "exec", "-it", "shell", "-c", "main", "--", "sh") as screen:
        screen.until("#" if os.geteuid() == 0 else "$")
        screen.type("\x04")
        assert screen.end() == 0


@contextmanager
def forwarded(cluster: Cluster, target: str, remote: int) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run `kubectl port-forward`; yield the local port, and the process, whose output is in its standard error."""
    local = free_port()
    command = ["kubectl", "port-forward", target, f"{local}:{remote}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=cluster.environment()
    )
    try:
        assert process.stdout is not None
        assert f"Forwarding from 127.0.0.1:{local} -> " in process.stdout.readline()
        yield local, process
    finally:
        process.kill()
        process.wait()


WEB = """\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: python
      command: [sh, -c, 'exec python3 -m http.server 8321 --bind ${KAITO_BIND_HOST:-0.0.0.0}']
      workingDir: /data-of-web
      volumeMounts: [{name: data, mountPath: /data-of-web}]
      readinessProbe: {tcpSocket: {port: 8321}, periodSeconds: 1}
  volumes: [{name: data, configMap: {name: web}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {page: hello}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8080, targetPort: 8321}]}
"""


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Iterator[Cluster]:
    cluster.apply(WEB)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=120s", timeout=150)
    yield cluster
    cluster.kubectl("delete", "pod/web", "svc/web", "configmap/web", "--timeout=60s")


@pytest.mark.parametrize(("target", "port"), [("pod/web", 8321), ("svc/web", 8080)])
def test_a_forwarded_port_answers(web: Cluster, target: str, port: int) -> None:
    with forwarded(web, target, port) as (local, _):
        for _ in range(3):
            assert httpx.get(f"http://127.0.0.1:{local}/page", timeout=30).text == "hello"


def run_it(name: str, *command: str, options: tuple[str, ...] = ("-it",)) -> list[str]:
    return ["run", *options, "--rm", "--restart=Never", name, "--image=busybox", "--", *command]


def test_run_it_shows_all_of_a_program_that_has_ended_at_once(cluster: Cluster) -> None:
    with in_terminal(cluster, *run_it("short", "sh", "-c", "seq 2000; printf the-end")) as screen:
        assert screen.end() == 0
        assert "\r\n1\r\n2\r\n" in f"\r\n{screen.shown}"
        assert "1999\r\n2000\r\nthe-end" in screen.shown
        assert screen.shown.count("the-end") == 1
        assert 'pod "short" deleted' in screen.shown


def test_run_it_is_a_conversation_in_a_terminal(cluster: Cluster) -> None:
    with in_terminal(cluster, *run_it("talk", "sh")) as screen:
        screen.until("#" if os.geteuid() == 0 else "$")
        screen.type("echo si''ze=$(stty size)\r")
        screen.until("size=24 80")
        screen.type("exit 5\r")
        assert screen.end() == 5
        assert "terminated (Error)" in screen.shown
    assert cluster.object("pod", "talk") is None


def test_run_i_passes_the_input_on_to_its_end(cluster: Cluster) -> None:
    done = kubectl(
        cluster, *run_it("count", "sh", "-c", "wc -c; echo oops >&2", options=("-i",)), stdin=b"x" * 3_000_000
    )
    assert done.stdout.split()[0] == b"3000000"
    assert b"oops" in done.stdout + done.stderr
