"""Starts `kaito-runtime serve` as a pod does, and asks it over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.runtime.tree import session_processes

KAITO_RUNTIME = str(Path(sys.executable).with_name("kaito-runtime"))
PRESET = "phi-3-mini-4k-instruct"
READY_SECONDS = 280  # a first start on two busy cores, without compiled bytecode
TOKEN = "an-admin-token"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


class RuntimeServer:
    """A `kaito-runtime serve` process on an address of its own."""

    def __init__(self, folder: Path, model: Path, *flags: str) -> None:
        self.host = f"127.77.{os.getpid() % 250}.1"
        self.port, self.admin_port = _free_port(self.host), _free_port(self.host)
        self.log_file = folder / "server.log"
        token = folder / "token"
        token.write_text(TOKEN)
        command = [
            KAITO_RUNTIME,
            "serve",
            f"--model={model}",
            f"--port={self.port}",
            f"--kaito-admin-port={self.admin_port}",
            f"--kaito-admin-token-file={token}",
            *flags,
        ]
        self.started = time.monotonic()
        with self.log_file.open("wb") as log:
            environment = {**os.environ, "KAITO_BIND_HOST": self.host}
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=environment, start_new_session=True)

    def ask(self, path: str, body: Any = None, *, admin: bool = False, token: str = "") -> Answer:
        """Send one request; every status is an answer."""
        url = f"http://{self.host}:{self.admin_port if admin else self.port}{path}"
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, _headers(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, _headers(error.headers), error.read().decode())

    def order(self, method: str, path: str, body: Any = None) -> Answer:
        """Send an order to the admin port."""
        url = f"http://{self.host}:{self.admin_port}{path}"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, _headers(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, _headers(error.headers), error.read().decode())

    def stream(self, body: Any) -> Iterator[str]:
        """Yield the `data:` lines of a streamed completion."""
        url = f"http://{self.host}:{self.port}/v1/completions"
        data = json.dumps({**body, "stream": True}).encode()
        request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield line.decode().removeprefix("data: ").strip()

    def first_answer(self, path: str, *, limit: float) -> tuple[float, Answer]:
        """Return the first answer, and the seconds since the start."""
        while time.monotonic() - self.started < limit:
            try:
                answer = self.ask(path)
            except OSError:
                time.sleep(0.05)
            else:
                return time.monotonic() - self.started, answer
        raise AssertionError(f"no answer from {path} within {limit} s:\n{self.log()}")

    def wait_ready(self) -> float:
        """Follow the status until the server is ready, as the controller does; return the seconds since the start."""
        sequence = 0
        while time.monotonic() - self.started < READY_SECONDS:
            assert self.process.poll() is None, f"the server ended:\n{self.log()}"
            try:
                status = self.ask(f"/v1/status?after={sequence}", admin=True, token=TOKEN).body
            except OSError:  # the first moments of the process
                time.sleep(0.05)
                continue
            sequence = status["sequence"]
            if status["stage"] == "ready":
                return time.monotonic() - self.started
        raise AssertionError(f"not ready within {READY_SECONDS} s:\n{self.log()}")

    def log(self) -> str:
        """Return the log."""
        return self.log_file.read_text(errors="replace")

    def processes(self) -> list[int]:
        """Return the processes of this server's session that are alive."""
        return session_processes(self.process.pid)

    def left_over(self) -> list[int]:
        """Return what outlives the server by more than a moment; shared memory is removed just after its end."""
        deadline = time.monotonic() + 3
        while (alive := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return alive

    def kill(self) -> None:
        """End every process of the server, whatever state it is in."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(10)


def _headers(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
