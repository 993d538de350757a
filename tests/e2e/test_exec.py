"""kubectl exec and cp."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster
from streaming import OLDER, PROMPT, SHELL, in_terminal, kubectl


@pytest.fixture(scope="module")
def shell(cluster: Cluster) -> Iterator[Cluster]:
    cluster.apply(SHELL)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/shell", "--timeout=120s", timeout=150)
    yield cluster
    cluster.kubectl("delete", "pod/shell", "--timeout=60s")


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


def test_an_older_kubectl_that_speaks_spdy_is_served_too(shell: Cluster) -> None:
    blob = os.urandom(3 << 20)
    script = "cat; echo oops >&2; exit 3"
    done = kubectl(shell, "exec", "-i", "shell", "-c", "main", "--", "sh", "-c", script, stdin=blob, **OLDER)
    assert (done.returncode, done.stdout == blob) == (3, True)
    assert b"oops\n" in done.stderr


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
        screen.until("^C")
        screen.until(PROMPT)  # what is typed before it is discarded with the rest of the line
        screen.type("echo in''terrupted; exit 7\r")
        screen.until("interrupted")
        assert screen.end() == 7


def test_control_d_ends_a_shell(shell: Cluster) -> None:
    with in_terminal(shell, "exec", "-it", "shell", "-c", "main", "--", "sh") as screen:
        screen.until(PROMPT)
        screen.type("\x04")
        assert screen.end() == 0
