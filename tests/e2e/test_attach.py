"""kubectl attach and run -it."""

from collections.abc import Iterator

import pytest
from cluster import Cluster
from streaming import PROMPT, in_terminal, kubectl


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
        screen.until(PROMPT)
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


@pytest.mark.parametrize("code", [0, 3])
def test_run_ends_with_the_exit_code_of_the_program(cluster: Cluster, code: int) -> None:
    done = kubectl(cluster, *run_it("code", "sh", "-c", f"exit {code}", options=("-i",)))
    assert done.returncode == code


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: attached}
spec:
  terminationGracePeriodSeconds: 1
  restartPolicy: Never
  containers:
    - name: open
      image: busybox
      args: [sh, -c, 'while read line; do echo "open got $line"; done; exec sleep 3600']
      stdin: true
    - name: shut
      image: busybox
      args: [sh, -c, 'while :; do echo "a line"; sleep 0.2; done']
    - {name: short, image: busybox, args: ['true']}
"""


@pytest.fixture(scope="module")
def attached(cluster: Cluster) -> Iterator[Cluster]:
    cluster.apply(POD)
    ended = "jsonpath={.status.containerStatuses[?(@.name=='short')].state.terminated.exitCode}"
    cluster.until("its start", lambda: cluster.kubectl("get", "pod", "attached", "-o", ended) == "0", timeout=120)
    yield cluster
    cluster.kubectl("delete", "pod/attached", "--timeout=60s")


def test_input_stays_open_for_the_next_client_without_stdin_once(attached: Cluster) -> None:
    for word in ("one", "two"):
        with in_terminal(attached, "attach", "-i", "attached", "-c", "open") as screen:
            screen.type(f"{word}\r")
            screen.until(f"open got {word}")


def test_attach_shows_what_comes_from_now_on(attached: Cluster) -> None:
    with in_terminal(attached, "attach", "attached", "-c", "shut") as screen:
        screen.until("a line")
        screen.until("a line")


def test_attach_to_a_container_that_has_ended_says_so(attached: Cluster) -> None:
    done = kubectl(attached, "attach", "attached", "-c", "short")
    assert done.returncode == 1
    assert "has ended" in done.stderr.decode()
