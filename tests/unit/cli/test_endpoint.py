"""Where a Workspace answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kaito.cli import endpoint
from kaito.cli.endpoint import answers, find_host, serving_host
from kaito.core import Key
from kaito.core.errors import KaitoError

KEY = Key("default", "w")


@pytest.mark.parametrize(
    ("code", "expected"),
    [(200, True), (404, True), (500, False), (503, False)],
    ids=["ready", "a server without /readyz", "broken", "not ready yet"],
)
async def test_a_server_answers_unless_it_says_that_it_cannot(code: int, expected: bool) -> None:
    async def readyz(_: web.Request) -> web.Response:
        return web.Response(status=code)

    application = web.Application()
    application.router.add_get("/readyz", readyz)
    async with TestServer(application) as server:
        assert await answers(f"{server.host}:{server.port}") is expected


@asynccontextmanager
async def proxy_without_backend() -> AsyncIterator[str]:
    """What a Service's address is while nothing serves behind it."""

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server:
        yield "{}:{}".format(*server.sockets[0].getsockname())


async def test_what_accepts_a_connection_and_resets_it_does_not_answer() -> None:
    async with proxy_without_backend() as host:
        assert not await answers(host)
    assert not await answers(host)


class Cluster:
    """A client of a cluster with one Service and these pods."""

    def __init__(self, cluster_ip: str, *pods: tuple[str, str]) -> None:
        self._service = {"spec": {"clusterIP": cluster_ip}}
        self._pods = [
            {"status": {"podIP": address, "conditions": [{"type": "Ready", "status": ready}]}}
            for address, ready in pods
        ]

    async def get(self, *_: object) -> dict[str, Any]:
        return self._service

    async def list(self, *_: object, **__: object) -> Any:
        return type("List", (), {"items": self._pods})()


@pytest.mark.parametrize(
    ("cluster_ip", "answering", "found"),
    [
        ("10.0.0.1", {"10.0.0.1", "10.1.0.2:5000"}, "10.0.0.1"),
        ("10.0.0.1", {"10.1.0.2:5000"}, "10.1.0.2:5000"),
        ("None", {"10.1.0.2:5000"}, "10.1.0.2:5000"),
        ("10.0.0.1", {"10.1.0.1:5000"}, None),
        ("10.0.0.1", set[str](), None),
    ],
    ids=["the Service", "a ready pod", "headless", "a pod that is not ready", "nobody"],
)
async def test_the_service_is_asked_before_the_ready_pods(
    monkeypatch: pytest.MonkeyPatch, cluster_ip: str, answering: set[str], found: str | None
) -> None:
    async def answers_here(host: str) -> bool:
        return host in answering

    monkeypatch.setattr(endpoint, "answers", answers_here)
    client: Any = Cluster(cluster_ip, ("10.1.0.1", "False"), ("", "True"), ("10.1.0.2", "True"))
    assert await find_host(client, KEY) == found
    if found is None:
        with pytest.raises(KaitoError, match="No ready pod of Workspace"):
            await serving_host(client, KEY)
    else:
        assert await serving_host(client, KEY) == found
