"""A rude server, a place for files, and patience for milliseconds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rude_server import RudeServer

from kaito.runtime.adapters.sources import Patience, Place


async def _no_pause(seconds: float) -> None:
    """Go on at once."""


@pytest.fixture
async def server() -> AsyncIterator[RudeServer]:
    async with RudeServer.run() as server:
        yield server


@pytest.fixture
def patience() -> Patience:
    return Patience(connect=2, stall=0.1, attempts=3, sleep=_no_pause)


@pytest.fixture
def place(tmp_path: Path, patience: Patience) -> Place:
    (tmp_path / "into").mkdir()
    return Place(
        tmp_path / "into",
        tmp_path / "downloads",
        credentials=tmp_path / "credentials",
        patience=patience,
        private_sources=True,
    )
