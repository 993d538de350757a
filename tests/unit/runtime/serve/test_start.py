import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_START = """
import os, signal, sys
from kaito.runtime.config import Flags, ServeOptions
from kaito.runtime.failure import FatalError
from kaito.runtime.serve import start

def ask_to_end():
    os.kill(os.getpid(), signal.SIGTERM)

{change}

start.serve_and_exit(ServeOptions(model=sys.argv[1], vllm=Flags(), host="127.0.0.1", port=0, admin_port=0))
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    return tmp_path


def start(weights: Path, change: str) -> tuple[int, list[dict[str, Any]]]:
    """Start a server with something changed in it; return its exit status and the lines of its log, JSON all."""
    code = _START.format(change=change)
    done = subprocess.run([sys.executable, "-c", code, str(weights)], capture_output=True, text=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize("part", ["_run", "make_plan", "listen"])
def test_an_error_that_nobody_foresaw_is_a_failure_with_a_reason(weights: Path, part: str) -> None:
    status, log = start(
        weights,
        f"""
def fails(*_):
    raise ValueError("unheard of")

start.{part} = fails
""",
    )
    assert (status, log[-1]["event"], log[-1]["reason"]) == (1, "failed", "Internal")
    assert "ValueError: unheard of" in log[-1]["message"]
    assert [line for line in log if "Traceback" in line.get("exception", "")]


def test_a_signal_while_the_config_is_read_ends_the_server_as_one_that_comes_later(weights: Path) -> None:
    status, log = start(weights, "start.make_plan = lambda _: ask_to_end()")
    assert (status, log[-1]["event"]) == (0, "ended before it was ready")


def test_a_signal_while_a_server_that_failed_ends_itself_changes_nothing(weights: Path) -> None:
    status, log = start(
        weights,
        """
def fails(*_):
    raise FatalError("EngineFailed", "It did not start.", remedy="Look.")

asked = []
start._run = fails
start.end_engine = lambda: asked or (asked.append(1), ask_to_end())
""",
    )
    assert (status, log[-1]["event"], log[-1]["reason"]) == (1, "failed", "EngineFailed")


@pytest.mark.parametrize("first", ["ask_to_end()", "start._when_told_to_end(signal.SIG_DFL)"])
def test_a_signal_while_the_server_ends_kills_what_it_started_and_ends_it_at_once(weights: Path, first: str) -> None:
    status, log = start(  # it comes back when nobody holds the server's output any more: the child has ended too
        weights,
        f"""
import subprocess

def run(*_):
    sys.modules["vllm"] = None
    subprocess.Popen(["sleep", "600"])
    {first}

start._run = run
start.end_engine = ask_to_end
""",
    )
    assert (status, log[-1]["event"]) == (1, "answering")
