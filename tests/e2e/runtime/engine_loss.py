"""Loses the engine of a server that is computing, and asserts that it is seen, said, and leaves no client waiting."""

import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path

from runtime.server import PRESET, TOKEN, RuntimeServer

LONG = {"model": PRESET, "prompt": "Hello", "max_tokens": 1900, "ignore_eos": True}


def lose_engine(server: RuntimeServer, number: signal.Signals, reason: str, limit: float) -> None:
    """Send the engine a signal while a client reads a stream and another waits for an answer.

    The server takes requests of 2,048 tokens; it has ended afterwards. `limit`: seconds until its status says `reason`.
    """
    answers: list[tuple[int, str]] = []
    clients = [
        threading.Thread(target=_ask, args=(server,), kwargs={"stream": stream, "answers": answers})
        for stream in (True, False)
    ]
    for client in clients:
        client.start()
    while 'vllm:num_requests_running{engine="0"' not in (metrics := server.ask("/metrics").text) or (
        " 2.0" not in next(line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running"))
    ):
        time.sleep(0.02)
    os.kill(_engine_of(server), number)
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


def _engine_of(server: RuntimeServer) -> int:
    """Return the engine's process."""
    for process in server.processes():
        if b"EngineCore" in Path(f"/proc/{process}/cmdline").read_bytes():
            return process
    raise AssertionError(server.log())


def _ask(server: RuntimeServer, *, stream: bool, answers: list[tuple[int, str]]) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    body = json.dumps({**LONG, "stream": stream})
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answers.append((answer.status, answer.read().decode()))
