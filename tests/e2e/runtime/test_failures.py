"""A server that cannot serve says why in one line, and what to do; it never ends with a stack trace alone."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime.server import KAITO_RUNTIME, RuntimeServer

REFUSED = {
    "a flag that nobody knows": (["--max-modl-len=4"], "InvalidFlag", 2),
    "a context that is too long": (["--max-model-len=99999999"], "ContextTooLong", 1),
    "an adapter that is not there": (["--enable-lora", "--lora-modules=a=/bad"], "EngineFailed", 1),
    "damaged weights": (["--max-model-len=512"], "ModelInvalid", 1),
}


@pytest.fixture(scope="module")
def refused(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RuntimeServer]]:
    """A server for each case, all started at once: each is busy on one core, mostly with imports."""
    damaged = tmp_path_factory.mktemp("damaged")
    for path in stand_in.iterdir():
        if path.is_file():
            (damaged / path.name).write_bytes(path.read_bytes())
    (damaged / "model.safetensors").write_bytes(b"garbage" * 1000)
    servers = {}
    for case, (flags, _, _) in REFUSED.items():
        weights = damaged if case == "damaged weights" else stand_in
        servers[case] = RuntimeServer(tmp_path_factory.mktemp("refused"), weights, *flags)
    yield servers
    for server in servers.values():
        server.kill()


def last_line(log: str) -> dict[str, str]:
    """Return the last JSON line of a log."""
    return dict(json.loads([line for line in log.splitlines() if line.startswith("{")][-1]))


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_served_ends_the_server_with_a_reason(refused: dict[str, RuntimeServer], case: str) -> None:
    server, (_, reason, status) = refused[case], REFUSED[case]
    assert server.process.wait(280) == status
    line = last_line(server.log())
    assert (line["event"], line["reason"]) == ("failed", reason), line
    assert line["remedy"]
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
