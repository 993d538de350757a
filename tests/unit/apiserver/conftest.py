"""The embedded server in this process, core's client on it, and the real kubectl."""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
import yaml

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


@dataclass(frozen=True)
class Answer:
    code: int
    body: Any
    headers: Any

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))


class Api:
    """Raw requests, so that tests see codes, headers and bodies as they are sent."""

    def __init__(self, server: EmbeddedServer, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        self._ssl = ssl.create_default_context(cadata=server.certificates.authority.read_text())

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        media: str = "application/json",
        accept: str = "",
        **query: Any,
    ) -> Answer:
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        headers = {"Content-Type": media, "Accept": accept or "application/json"}
        url = self._server.url + path
        async with self._session.request(
            method, url, data=data, params=query, headers=headers, ssl=self._ssl
        ) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(response.status, orjson.loads(raw) if is_json else raw.decode(), response.headers)

    @asynccontextmanager
    async def watch(self, path: str, *, accept: str = "", **query: Any) -> AsyncIterator["Watching"]:
        query = {"watch": "true", **query}
        headers = {"Accept": accept or "application/json"}
        async with self._session.get(self._server.url + path, params=query, headers=headers, ssl=self._ssl) as response:
            yield Watching(response)

    async def apply(self, path: str, body: Any, manager: str = "tester", **query: Any) -> Answer:
        return await self("PATCH", path, body, media="application/apply-patch+yaml", fieldManager=manager, **query)

    async def merge(self, path: str, body: Any, **query: Any) -> Answer:
        return await self("PATCH", path, body, media="application/merge-patch+json", **query)


class Watching:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.code = response.status
        self._response = response

    async def next(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self._response.content.readline(), 5)
        assert line, "the watch has ended"
        return orjson.loads(line)

    async def take(self, number: int) -> list[tuple[str, str]]:
        """The next events, as type and name."""
        events = [await self.next() for _ in range(number)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]

    async def ended(self) -> bool:
        return not await asyncio.wait_for(self._response.content.readline(), 5)


@asynccontextmanager
async def api_of(server: EmbeddedServer) -> AsyncIterator[Api]:
    headers = {"Authorization": f"Bearer {server.token}", "User-Agent": "tester/1.0"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Api(server, session)


@pytest_asyncio.fixture
async def api(server: EmbeddedServer) -> AsyncIterator[Api]:
    async with api_of(server) as made:
        yield made


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[tuple[EmbeddedServer, Api]]]]:
    """Starts servers with the options that a test needs; they stop with the test, or by `stop()`."""
    async with AsyncExitStack() as clients, AsyncExitStack() as servers:

        async def run(**options: Any) -> tuple[EmbeddedServer, Api]:
            running = await servers.enter_async_context(EmbeddedServer.start(options=ServerOptions(**options)))
            return running, await clients.enter_async_context(api_of(running))

        run.stop = servers.aclose  # type: ignore[attr-defined]
        yield run


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[bool]]:
    """Waits until a condition holds that the server brings about in its own time."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> bool:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not await condition():  # noqa: ASYNC110 - the server gives no other sign than its answers
                await asyncio.sleep(0.01)
        return True

    return wait


@pytest.fixture
def definition() -> dict[str, Any]:
    """The CustomResourceDefinition of Workspaces, versions v1 (stored) and v1alpha1."""
    return yaml.safe_load(WORKSPACES.read_text())


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
