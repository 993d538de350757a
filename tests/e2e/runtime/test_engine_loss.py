"""An engine that dies or hangs is seen, said, and no client is left waiting."""

import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from runtime.server import PRESET, TOKEN, RuntimeServer

LONG = {"model": PRESET, "prompt": "Hello", "max_tokens": 1900, "ignore_eos": True}


def engine_of(server: RuntimeServer) -> int:
    """Return the engine's process."""
    for process in server.processes():
        if b"EngineCore" in Path(f"/proc/{process}/cmdline").read_bytes():
            return process
    raise AssertionError(server.log())


def ask(server: RuntimeServer, *, stream: bool, answers: list[tuple[int, str]]) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    body = json.dumps({**LONG, "stream": stream})
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answers.append((answer.status, answer.read().decode()))


@pytest.mark.parametrize(
    ("number", "reason", "limit"),
    [
        pytest.param(signal.SIGKILL, "EngineDied", 1, id="dies"),
        pytest.param(signal.SIGSTOP, "EngineHung", 2 + 4 + 2, id="hangs"),
    ],
)
def test_the_loss_of_the_engine_is_seen_and_told(
    stand_in: Path, tmp_path: Path, number: signal.Signals, reason: str, limit: float
) -> None:
    canary = ("--kaito-canary-seconds=2", "--kaito-canary-deadline-seconds=4")
    server = RuntimeServer(tmp_path, stand_in, f"--served-model-name={PRESET}", "--max-model-len=2048", *canary)
    try:
        server.wait_ready()
        answers: list[tuple[int, str]] = []
        clients = [
            threading.Thread(target=ask, args=(server,), kwargs={"stream": stream, "answers": answers})
            for stream in (True, False)
        ]
        for client in clients:
            client.start()
        while 'vllm:num_requests_running{engine="0"' not in (metrics := server.ask("/metrics").text) or (
            " 2.0" not in next(line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running"))
        ):
            time.sleep(0.02)
        os.kill(engine_of(server), number)
        lost = time.monotonic()
        while server.ask("/readyz").status == 200:
            time.sleep(0.01)
        assert server.ask("/livez").status == 500
        while (status := server.ask("/v1/status", admin=True, token=TOKEN).body)["stage"] != "failed":
            time.sleep(0.01)
        assert time.monotonic() - lost < limit + 1  # the last second is this machine's
        assert status["failure"]["reason"] == reason
        for client in clients:
            client.join(10)
        assert len(answers) == 2
        assert all('"error"' in text for _, text in answers)
        assert server.process.wait(15) == 1
        assert server.left_over() == []
    finally:
        server.kill()
