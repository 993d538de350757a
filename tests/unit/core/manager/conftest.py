"""A second cluster, and one with the embedded API server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kaito.apiserver import EmbeddedServer
from kaito.core import Client


@pytest.fixture
async def another_api(api: Any) -> AsyncIterator[Any]:
    server = type(api)()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer.start() as running:
        yield running


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[Client]:
    """A client of the embedded API server."""
    connected = await Client.connect(server.connection_settings, field_manager="test")
    yield connected
    await connected.close()
