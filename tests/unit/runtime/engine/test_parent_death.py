"""What a server started ends with it, however it ends; what somebody else started is let alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from kaito.runtime.engine.parent_death import SERVER_VARIABLE, parent_to_end_with

SERVER, ENGINE, WORKER = 10, 20, 30
MARK = {SERVER_VARIABLE: str(SERVER)}


@pytest.mark.parametrize(
    ("environment", "pid", "parent", "followed"),
    [
        pytest.param(MARK, ENGINE, SERVER, SERVER, id="an engine ends with its server"),
        pytest.param(MARK, WORKER, ENGINE, ENGINE, id="a worker ends with its engine"),
        pytest.param(MARK, SERVER, None, None, id="the server ends with nobody"),
        pytest.param(MARK, SERVER, 1, None, id="a server that multiprocessing started neither"),
        pytest.param(MARK, ENGINE, None, None, id="nor does another program"),
        pytest.param({}, ENGINE, SERVER, None, id="nor an engine of plain vLLM"),
    ],
)
def test_who_ends_with_whom(environment: dict[str, str], pid: int, parent: int | None, followed: int | None) -> None:
    assert parent_to_end_with(environment, pid, parent) == followed


PROGRAM = """
import multiprocessing
import os
import sys
import time

from kaito.runtime.engine.parent_death import end_with_parent, mark_server


def say(word):
    print(word, flush=True)


def wait_for_the_end_of(parent):
    while os.getppid() == parent:
        time.sleep(0.001)


def engine(late):
    parent = os.getppid()
    say("begun")
    if late:
        wait_for_the_end_of(parent)
    end_with_parent()
    say("bound")
    wait_for_the_end_of(parent)
    say("outlived it")


if __name__ == "__main__":
    if "marked" in sys.argv:
        mark_server()
    process = multiprocessing.get_context("spawn").Process(target=engine, args=("late" in sys.argv,))
    process.start()
    process.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")
@pytest.mark.parametrize(
    ("words", "heard", "after"),
    [
        pytest.param(["marked"], ["begun", "bound"], [], id="a server's"),
        pytest.param(["marked", "late"], ["begun"], [], id="a server's that has ended before"),
        pytest.param([], ["begun", "bound"], ["outlived it"], id="somebody else's"),
    ],
)
def test_what_a_killed_process_started_ends(
    tmp_path: Path, words: list[str], heard: list[str], after: list[str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    server = subprocess.Popen([sys.executable, str(program), *words], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert [server.stdout.readline().strip() for _ in heard] == heard
    server.kill()
    said, _ = server.communicate(timeout=30)  # until nobody has the other end of the pipe any more
    assert said.split("\n")[:-1] == after
