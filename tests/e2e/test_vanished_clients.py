"""What clients of streams, and a node agent, that vanish leave behind: nothing."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster
from killing import NODE, kill_and_wait, pids
from streaming import forwarded, in_terminal, kubectl

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: visited}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: busybox
      args: [sh, -c, 'while read line; do echo "got $line"; done; exec sleep 3600']
      stdin: true
    - name: listener
      image: python
      command:
        - python3
        - -uc
        - |
          import os, socket
          server = socket.create_server((os.environ.get("KAITO_BIND_HOST", ""), 8322))
          print("listening")
          while True:
              client = server.accept()[0]
              while data := client.recv(9):
                  print("heard", data.decode())
              print("closed")
"""


@pytest.fixture
def visited(cluster: Cluster) -> Iterator[Cluster]:
    cluster.apply(POD)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/visited", "--timeout=120s", timeout=150)
    cluster.until("the listener", lambda: heard(cluster) == ["listening"], 60, lambda: heard(cluster))
    yield cluster
    cluster.kubectl("delete", "pod/visited", "--ignore-not-found", "--timeout=60s")


def running(words: str) -> list[int]:
    """Return the processes of this machine whose command line is `words`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if command.replace(b"\0", b" ").decode(errors="replace").strip() == words:
            found.append(int(process.name))
    return found


def descriptors(cluster: Cluster) -> int:
    """Return how many files, sockets and terminals the node agents have open."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids(cluster, NODE))


def sleeper() -> str:
    """Return a command line that no other process has."""
    return f"sleep {3600 + time.monotonic_ns() % 10**9 / 10**9:.9f}"


@pytest.mark.parametrize("option", ["-i", "-it"])
def test_the_command_of_a_client_that_is_killed_ends(visited: Cluster, option: str) -> None:
    command = sleeper()
    with in_terminal(
        visited, "exec", option, "visited", "-c", "main", "--", "sh", "-c", f"{command} & echo rea''dy; exec {command}"
    ) as screen:
        screen.until("ready")
        visited.until("both", lambda: len(running(command)) == 2, timeout=30)
        screen.process.kill()
        visited.until("no process left", lambda: not running(command), timeout=30)


def test_the_program_that_was_attached_to_goes_on(visited: Cluster) -> None:
    for word in ("one", "two"):
        with in_terminal(visited, "attach", "-i", "visited", "-c", "main") as screen:
            screen.type(f"{word}\r")
            screen.until(f"got {word}")
            screen.process.kill()


def heard(cluster: Cluster) -> list[str]:
    return cluster.kubectl("logs", "visited", "-c", "listener").splitlines()


def test_the_connections_of_a_port_forward_that_is_killed_are_closed(visited: Cluster) -> None:
    with (
        forwarded(visited, "pod/visited", 8322) as (local, process),
        socket.create_connection(("127.0.0.1", local), 30) as client,
    ):
        client.sendall(b"hello")
        visited.until(
            "the greeting", lambda: heard(visited) == ["listening", "heard hello"], 30, lambda: heard(visited)
        )
        process.kill()
        visited.until(
            "its end", lambda: heard(visited) == ["listening", "heard hello", "closed"], 30, lambda: heard(visited)
        )


def test_a_local_connection_that_is_closed_is_closed_at_the_pod(visited: Cluster) -> None:
    with forwarded(visited, "pod/visited", 8322) as (local, _):
        with socket.create_connection(("127.0.0.1", local), 30) as client:
            client.sendall(b"bye")
        visited.until(
            "its end", lambda: heard(visited) == ["listening", "heard bye", "closed"], 30, lambda: heard(visited)
        )


def test_a_node_agent_keeps_no_descriptor_of_clients_that_have_gone(visited: Cluster) -> None:
    def visit() -> None:
        kubectl(visited, "exec", "visited", "-c", "main", "--", "true")
        with in_terminal(
            visited, "exec", "-it", "visited", "-c", "main", "--", "sh", "-c", "echo rea''dy; cat"
        ) as screen:
            screen.until("ready")
            screen.process.kill()
        with in_terminal(visited, "attach", "-i", "visited", "-c", "main") as screen:
            screen.type("word\r")
            screen.until("got word")
            screen.process.kill()
        with forwarded(visited, "pod/visited", 8322) as (local, _):
            socket.create_connection(("127.0.0.1", local), 30).close()

    visit()
    before = descriptors(visited)
    for _ in range(3):
        visit()
    # Two may be watches, or a request, that come and go.
    visited.until("as many as before", lambda: descriptors(visited) <= before + 2, 60, lambda: descriptors(visited))


def test_a_node_agent_that_is_killed_leaves_the_program_and_takes_its_commands_along(visited: Cluster) -> None:
    command = sleeper()
    with in_terminal(visited, "attach", "-i", "visited", "-c", "main") as attached:
        attached.type("before\r")
        attached.until("got before")
        with in_terminal(visited, "exec", "-it", "visited", "-c", "main", "--", *command.split()) as screen:
            visited.until("the command", lambda: running(command), timeout=30)
            kill_and_wait(visited, NODE)
            screen.end()  # with 0 behind a real API server, which takes the end of the kubelet's connection for success
        attached.end()
    visited.until("no process left", lambda: not running(command), timeout=30)

    def again() -> bool:
        with in_terminal(visited, "exec", "visited", "-c", "main", "--", "echo", "here again") as screen:
            return screen.end() == 0 and "here again" in screen.shown

    visited.until("exec answers again", again, timeout=60)
    with in_terminal(visited, "attach", "-i", "visited", "-c", "main") as screen:
        screen.type("after\r")
        screen.until("got after")
    restarts = "jsonpath={.status.containerStatuses[*].restartCount}"
    assert visited.kubectl("get", "pod", "visited", "-o", restarts).split() == ["0", "0"]


def test_a_pod_that_is_deleted_ends_all_streams(visited: Cluster) -> None:
    command = sleeper()
    with (
        in_terminal(visited, "exec", "-it", "visited", "-c", "main", "--", *command.split()) as screen,
        in_terminal(visited, "attach", "-i", "visited", "-c", "main") as attached,
    ):
        attached.type("before\r")
        attached.until("got before")
        visited.until("the command", lambda: running(command), timeout=30)
        visited.kubectl("delete", "pod", "visited", "--timeout=60s")
        assert not running(command)
        screen.end()
        attached.end()


def test_a_command_may_leave_a_process_to_the_container(visited: Cluster) -> None:
    command = sleeper()
    done = kubectl(visited, "exec", "visited", "-c", "main", "--", "sh", "-c", f"{command} >/dev/null 2>&1 & echo left")
    assert done.stdout == b"left\n"
    assert running(command)
    visited.kubectl("delete", "pod", "visited", "--timeout=60s")
    visited.until("nothing left", lambda: not running(command), timeout=30)


def test_the_input_that_is_never_read_does_not_keep_a_command_from_ending(visited: Cluster) -> None:
    feeder = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
    try:
        done = subprocess.run(
            ["kubectl", "exec", "-i", "visited", "-c", "main", "--", "sh", "-c", "head -n 1; exit 4"],
            stdin=feeder.stdout, capture_output=True, env=visited.environment(), timeout=60, check=False,
        )  # fmt: skip
    finally:
        feeder.kill()
        feeder.wait()
    assert (done.returncode, done.stdout) == (4, b"y\n")
