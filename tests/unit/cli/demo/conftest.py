"""Time for what follows a cluster."""

import pytest


class MovingClock:
    """Sleeping moves it on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()
