"""A second cluster."""

from collections.abc import AsyncIterator
from typing import Any

import pytest


@pytest.fixture
async def another_api(api: Any) -> AsyncIterator[Any]:
    server = type(api)()
    await server.start()
    yield server
    await server.stop()
