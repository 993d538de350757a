"""The two servers: `kaito-runtime serve`, and vLLM's own entry module with the flags and environment ours gives it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.runtime import tree
from bench.runtime.device import gpu_names
from kaito.local.ports import free_ports

KAITO_RUNTIME: Final = str(Path(sys.executable).with_name("kaito-runtime"))
VLLM_MODULE: Final = "vllm.entrypoints.launchers.api_server.entry"
READY_SECONDS: Final = 400.0
POLL_SECONDS: Final = 0.1
MODEL: Final = "base"
PLAIN: Final = {"VLLM_PLUGINS": "lora_filesystem_resolver"}
"""vLLM loads the plugins of every package that is installed: ours, which corrects its CPU kernels, is left out."""

TOKEN: Final = "bench"


@dataclass(frozen=True)
class Setting:
    """How a server is started. `flags` are vLLM's, `own` those that only ours has, `modules` vLLM's --lora-modules."""

    model: Path
    folder: Path
    flags: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


class Server:
    """A server process, its processes' cost, and what it answers."""

    def __init__(self, peer: str, setting: Setting) -> None:
        self.peer = peer
        self.port, self.admin_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = setting.folder / f"{peer}-{self.port}.log"
        self._processes: list[int] = []
        arguments, environment = _command(peer, setting, self.port, self.admin_port)
        self.started = time.monotonic()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                arguments, stdout=log, stderr=log, env={**os.environ, **environment}, start_new_session=True
            )

    def wait_answer(self) -> float:
        """Wait for the first completion; return the seconds from the start. RuntimeError with the log's end."""
        body = {"model": MODEL, "prompt": "Hello", "max_tokens": 1}
        while time.monotonic() - self.started < READY_SECONDS and self.process.poll() is None:
            if self.ask("/v1/completions", body)[0] == 200:
                seconds = time.monotonic() - self.started
                self._processes = tree.session_processes(self.process.pid)
                return seconds
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"{self.peer} did not get ready:\n{self.log()[-3000:]}")

    def first(self, path: str) -> float:
        """Return the seconds from the start until anything answers `path` with HTTP."""
        while time.monotonic() - self.started < READY_SECONDS and self.process.poll() is None:
            if self.ask(path)[0]:
                return time.monotonic() - self.started
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"{self.peer} never answered {path}")

    def ask(self, path: str, body: Any = None, *, method: str | None = None, admin: bool = False) -> tuple[int, Any]:
        """Send one request; return its status (0: no answer) and the JSON of its body, None where it is none."""
        url = f"http://127.0.0.1:{self.admin_port}{path}" if admin else self.url + path
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {TOKEN}"} if admin else {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())
        except OSError:
            return 0, None

    def cpu_seconds(self) -> float:
        """Return the CPU of all its processes so far."""
        return tree.cpu_seconds(self._processes)

    def api_cpu_seconds(self) -> float:
        """Return the CPU of the process that answers HTTP alone, without the engine's."""
        return tree.cpu_seconds([self.process.pid])

    def engine_steps(self) -> float:
        """Return how often the engine has computed so far: requests that do not keep step cost more steps."""
        return self.metric("vllm:iteration_tokens_total_count")

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)

    def memory_mib(self) -> dict[str, float]:
        """Return the memory of all its processes."""
        return tree.memory_mib(tree.session_processes(self.process.pid))

    def log(self) -> str:
        """Return what it has written."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """End all its processes at once."""
        for process in tree.session_processes(self.process.pid):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def _command(peer: str, setting: Setting, port: int, admin_port: int) -> tuple[list[str], dict[str, str]]:
    """Return command line and added environment of a peer: `kaito…` is ours, anything else vLLM's own server."""
    given = [KAITO_RUNTIME, "serve", f"--model={setting.model}", "--host=127.0.0.1", f"--port={port}"]
    given += [f"--served-model-name={MODEL}", *setting.flags]
    if peer.startswith("kaito"):
        token = setting.folder / "token"
        token.write_text(TOKEN)
        admin = [f"--kaito-admin-port={admin_port}", f"--kaito-admin-token-file={token}"]
        return [*given, *admin, *setting.own], setting.environment
    shown = subprocess.run(
        [*given, "--print-effective-config"],
        env={**os.environ, **setting.environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    effective = json.loads(shown[shown.index("{") :])
    modules = ["--lora-modules", *setting.modules] if setting.modules else []
    return [sys.executable, "-m", VLLM_MODULE, *effective["argv"], *modules], {
        **setting.environment,
        **effective["environment"],
        **PLAIN,
    }


@contextmanager
def running(peers: Sequence[str], settings: dict[str, Setting]) -> Iterator[dict[str, Server]]:
    """Start servers, wait until each has answered, and run them during the block.

    Those on a GPU start one after the other: each measures how much of its memory is free.
    """
    servers: dict[str, Server] = {}
    alone = bool(gpu_names())
    try:
        for peer in peers:
            servers[peer] = Server(peer, settings[peer])
            if alone:
                servers[peer].wait_answer()
        for server in servers.values():
            server.wait_answer()
        yield servers
    finally:
        for server in servers.values():
            server.stop()


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
