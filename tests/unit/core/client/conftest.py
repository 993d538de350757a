"""A client of the embedded API server, joined to it in memory."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from kaito.core import Client, SystemClock
from kaito.core.client.transport import Transport
from kaito.testing import InProcessServer


@pytest.fixture
async def embedded() -> AsyncIterator[Client]:
    clock = SystemClock()
    async with InProcessServer.start(clock) as server:
        transport = Transport(server.connection_settings, clock, "test", CollectorRegistry(), server.connector)
        client = Client(transport, field_manager="test")
        yield client
        await client.close()
