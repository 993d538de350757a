"""A server that cannot serve says why in one line, and what to do; it never ends with a stack trace alone."""

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from runtime.server import KAITO_RUNTIME, RuntimeServer


def last_line(log: str) -> dict[str, str]:
    """Return the last JSON line of a log."""
    return dict(json.loads([line for line in log.splitlines() if line.startswith("{")][-1]))


@pytest.mark.parametrize(
    ("flags", "reason", "status"),
    [
        (["--max-modl-len=4"], "InvalidFlag", 2),
        (["--max-model-len=99999999"], "ContextTooLong", 1),
        (["--enable-lora", "--lora-modules=a=/bad"], "EngineFailed", 1),
    ],
)
def test_what_vllm_refuses_ends_the_server_with_a_reason(
    stand_in: Path, tmp_path: Path, flags: list[str], reason: str, status: int
) -> None:
    server = RuntimeServer(tmp_path, stand_in, *flags)
    assert server.process.wait(200) == status
    line = last_line(server.log())
    assert (line["event"], line["reason"]) == ("failed", reason)
    assert line["remedy"]
    assert server.left_over() == []


def test_damaged_weights_are_named_by_the_engine_s_own_error(stand_in: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for path in stand_in.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "model.safetensors").write_bytes(b"garbage" * 1000)
    server = RuntimeServer(tmp_path, folder, "--max-model-len=512")
    assert server.process.wait(280) == 1
    line = last_line(server.log())
    assert (line["event"], line["reason"]) == ("failed", "ModelInvalid"), line
    assert server.left_over() == []


def test_a_port_in_use_is_known_in_the_first_seconds(stand_in: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [KAITO_RUNTIME, "serve", f"--model={stand_in}", "--host=127.0.0.1", f"--port={port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert last_line(done.stderr)["reason"] == "PortInUse"
    assert "Traceback" not in done.stderr


def test_sigterm_while_vllm_is_imported_ends_the_server_at_once(stand_in: Path, tmp_path: Path) -> None:
    server = RuntimeServer(tmp_path, stand_in)
    server.first_answer("/healthz", limit=20)
    server.process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    assert server.process.wait(30) == 0
    assert time.monotonic() - asked < 15
    assert server.left_over() == []
