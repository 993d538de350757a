"""Sees that the engine has ended, or lives and does nothing: one that is long silent is asked for one token."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import structlog

from kaito.runtime.engine.pulse import Pulse
from kaito.runtime.failure import FatalError
from kaito.runtime.logs import recorded_cause

_log = structlog.get_logger("kaito.runtime")

DEATH_SECONDS = 0.2
"""How often the engine's death is looked for; vLLM itself learns of it at once."""

COMPUTES_SECONDS = 1.0
"""CPU time by which an engine on a CPU shows, within the canary's deadline, that it computes a very long step."""

Verdict = Literal["alive", "ask", "silent"]


class Heartbeat:
    """Decides from the count of the engine's steps whether it lives. Pure but for what it remembers; times in seconds.

    Steps are the measure, not answers: an engine that works through a long prompt answers nobody and steps all the
    time. `ask`: it has been still for `period`, which may mean that it has nothing to do. `silent`: it was asked, and
    nothing at all has come out of it for `deadline`.
    """

    def __init__(self, period: float, deadline: float, now: float) -> None:
        self._period = period
        self._deadline = deadline
        self._steps = 0
        self._since = now
        self._asked: float | None = None

    def look(self, now: float, steps: int) -> Verdict:
        """Return what the count of steps at `now` means."""
        if steps != self._steps:
            self._steps = steps
            self.excuse(now)
        elif self._asked is None and now - self._since >= self._period:
            self._asked = now
            return "ask"
        elif self._asked is not None and now - self._asked >= self._deadline:
            return "silent"
        return "alive"

    def excuse(self, now: float) -> None:
        """Begin anew: something else shows that it lives."""
        self._since = now
        self._asked = None


class Watch:
    """Looks at the engine until it is lost; costs a busy engine nothing.

    `ask` sends the canary and returns the HTTP status of its answer. `cpu_seconds` returns the CPU time of the engine's
    processes; None on an accelerator, where waiting for a lost device can look like work.
    """

    def __init__(
        self,
        engine: Any,
        pulse: Pulse,
        ask: Callable[[], Awaitable[int]],
        *,
        period: float,
        deadline: float,
        clock: Callable[[], float],
        cpu_seconds: Callable[[], float] | None,
    ) -> None:
        self._engine = engine
        self._pulse = pulse
        self._ask = ask
        self._period = period
        self._deadline = deadline
        self._clock = clock
        self._cpu_seconds = cpu_seconds
        self._cpu_before = 0.0
        self._canary: asyncio.Task[None] | None = None
        self._heartbeat = Heartbeat(period, deadline, clock())

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Never return; raise EngineDied or EngineHung."""
        try:
            while True:
                self.look()
                await sleep(DEATH_SECONDS)
        finally:
            if self._canary is not None:
                self._canary.cancel()

    def look(self) -> None:
        """Look once."""
        if self._engine.errored:
            raise FatalError(
                "EngineDied",
                f"The engine ended while serving. {recorded_cause()}".strip(),
                remedy="Kubernetes restarts the container; the log before this line has the engine's own account.",
            )
        if not self._period:
            return
        now = self._clock()
        verdict = self._heartbeat.look(now, self._pulse.steps)
        if verdict == "ask":
            self._cpu_before = self._cpu_seconds() if self._cpu_seconds else 0.0
            if self._canary is None or self._canary.done():
                self._canary = asyncio.create_task(self._send(), name="canary")
        elif verdict == "silent" and not self._computes():
            raise FatalError(
                "EngineHung",
                f"Nothing has come out of the engine for {self._deadline:g} s though it was asked for one token.",
                remedy="Kubernetes restarts the container. If its steps are that long, raise "
                "--kaito-canary-deadline-seconds.",
            )

    async def _send(self) -> None:
        status = await self._ask()
        if status < 500:  # what has no answer of the engine's in it says at least that nothing is lost in it
            self._heartbeat.excuse(self._clock())
        else:
            _log.warning("the canary was not answered", status=status)

    def _computes(self) -> bool:
        """Say whether the engine is in the middle of a step; then it has the deadline once more."""
        if self._cpu_seconds is None or (spent := self._cpu_seconds()) - self._cpu_before < COMPUTES_SECONDS:
            return False
        self._cpu_before = spent
        self._heartbeat.excuse(self._clock())
        return True
