import asyncio
from dataclasses import dataclass
from typing import cast

import pytest

from kaito.runtime.engine.pulse import Pulse
from kaito.runtime.engine.watch import Heartbeat, Verdict, Watch
from kaito.runtime.failure import FatalError


@pytest.mark.parametrize(
    ("looks", "verdicts"),
    [
        pytest.param([(0, 0), (9, 0), (10, 0), (11, 0)], ["alive", "alive", "ask", "alive"], id="still"),
        pytest.param([(10, 0), (12, 1), (21, 1), (22, 1)], ["ask", "alive", "alive", "ask"], id="it answers"),
        pytest.param([(10, 0), (39, 0), (40, 0)], ["ask", "alive", "silent"], id="it hangs"),
        pytest.param([(t, t) for t in range(1, 100, 9)], ["alive"] * 11, id="a prompt of many steps"),
        pytest.param([(10, 0), (39, 7), (48, 7), (49, 7)], ["ask", "alive", "alive", "ask"], id="late, but it moves"),
    ],
)
def test_steps_decide_whether_the_engine_lives(looks: list[tuple[float, int]], verdicts: list[Verdict]) -> None:
    heartbeat = Heartbeat(period=10, deadline=30, now=0)
    assert [heartbeat.look(now, steps) for now, steps in looks] == verdicts


@dataclass
class Engine:
    errored: bool = False
    steps: int = 0


class Watched:
    """A watch over an engine that is a double, with the time and the CPU time in our hands."""

    def __init__(self, *, on_cpu: bool = False, status: int = 200, period: float = 10) -> None:
        self.engine = Engine()
        self.now = self.cpu = 0.0
        self.asked = 0
        self.status = status
        self.answer = asyncio.Event()
        self.watch = Watch(
            self.engine,
            cast("Pulse", self.engine),
            self.ask,
            period=period,
            deadline=30,
            clock=lambda: self.now,
            cpu_seconds=(lambda: self.cpu) if on_cpu else None,
        )

    async def ask(self) -> int:
        self.asked += 1
        await self.answer.wait()
        return self.status

    async def at(self, now: float) -> None:
        self.now = now
        self.watch.look()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_a_dead_engine_is_seen_at_the_next_look() -> None:
    watched = Watched()
    watched.engine.errored = True
    with pytest.raises(FatalError) as caught:
        watched.watch.look()
    assert caught.value.reason == "EngineDied"


async def test_an_engine_that_does_not_answer_the_canary_has_failed() -> None:
    watched = Watched()
    await watched.at(10)
    assert watched.asked == 1
    await watched.at(39)
    with pytest.raises(FatalError) as caught:
        await watched.at(40)
    assert caught.value.reason == "EngineHung"
    assert "--kaito-canary-deadline-seconds" in caught.value.remedy


async def test_a_busy_engine_is_never_asked() -> None:
    watched = Watched()
    for second in range(0, 300, 5):
        watched.engine.steps += 1
        await watched.at(second)
    assert watched.asked == 0


async def test_on_a_cpu_one_long_step_is_told_from_a_hang_by_the_cpu_time_it_takes() -> None:
    watched = Watched(on_cpu=True)
    await watched.at(10)
    watched.cpu = 25.0
    await watched.at(40)
    await watched.at(50)  # still for a period again: asked again
    with pytest.raises(FatalError):
        await watched.at(80)


@pytest.mark.parametrize(("status", "lost"), [(404, False), (503, True)])
async def test_a_canary_that_is_refused_says_nothing_against_the_engine_unless_it_is_overload(
    status: int, lost: bool
) -> None:
    watched = Watched(status=status)
    watched.answer.set()
    await watched.at(10)
    if lost:
        with pytest.raises(FatalError):
            await watched.at(40)
    else:
        await watched.at(40)


async def test_a_period_of_0_asks_never() -> None:
    watched = Watched(period=0)
    await watched.at(1000)
    assert watched.asked == 0
