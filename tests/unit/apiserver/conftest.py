"""The embedded server in this process, core's client on it, and the real kubectl."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from kaito.apiserver import EmbeddedServer, ServerOptions
from kaito.core import Client

WORKSPACES = Path(__file__).parent / "workspaces.yaml"
TIMEOUT_SECONDS = 30


@pytest_asyncio.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer.start() as running:
        yield running


@pytest_asyncio.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[Client]:
    connected = await Client.connect(server.connection_settings, field_manager="tester")
    yield connected
    await connected.close()


@pytest.fixture
def start() -> Callable[..., object]:
    """Starts a server with the options that a test needs."""
    return lambda **options: EmbeddedServer.start(options=ServerOptions(**options))


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Kubectl = Callable[..., Awaitable[Ran]]


@pytest.fixture
def kubectl(server: EmbeddedServer, tmp_path: Path) -> Kubectl:
    """Runs the real kubectl against the server; a failure fails the test unless `fails=True`."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.fail("These tests are judged by the real kubectl: install it (https://kubernetes.io/docs/tasks/tools/).")
    config = server.write_kubeconfig(tmp_path / "kubeconfig")
    environment = {
        **os.environ,
        "KUBECONFIG": str(config),
        "HOME": str(tmp_path),
        "KUBECACHEDIR": str(tmp_path / "cache"),
    }

    async def run(*arguments: str, stdin: str = "", fails: bool = False) -> Ran:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), TIMEOUT_SECONDS)
        ran = Ran(process.returncode or 0, out.decode(), err.decode())
        assert (ran.code != 0) == fails, f"kubectl {' '.join(arguments)} ended with {ran.code}:\n{ran.out}\n{ran.err}"
        return ran

    return run
