"""Where the serving thread writes the server's state, and others wait for it to change."""

import asyncio
import threading
from collections.abc import Callable

from kaito.contracts import AdapterSetInForce, AdapterStatus, FailureStatus, RuntimeStatus, Stage
from kaito.runtime.status.stage import ServerState


class StatusBoard:
    """Holds the current `ServerState`. Written and read from any thread; waited for from any event loop.

    `clock` returns seconds on a steady clock.
    """

    def __init__(self, state: ServerState, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def state(self) -> ServerState:
        """The state now."""
        return self._state

    def status(self) -> RuntimeStatus:
        """Return the admin port's shape of the state now."""
        return self._state.status(self._clock())

    def enter(self, stage: Stage, message: str = "") -> None:
        """Go on to a stage."""
        self._change(lambda state: state.enter(stage, self._clock(), message))

    def fail(self, failure: FailureStatus) -> None:
        """Enter `failed`."""
        self._change(lambda state: state.fail(failure, self._clock()))

    def trouble(self, failure: FailureStatus | None) -> None:
        """Say what is in the way while the server goes on trying; None when it has passed."""
        self._change(lambda state: state.with_trouble(failure))

    def weights(self, *, loaded: int, total: int | None = None) -> None:
        """Record bytes of the weights."""
        self._change(lambda state: state.with_weights(loaded=loaded, total=total))

    def adapters(self, adapters: tuple[AdapterStatus, ...], in_force: AdapterSetInForce | None) -> None:
        """Record all adapters, and which set they follow."""
        self._change(lambda state: state.with_adapters(adapters, in_force))

    async def wait_beyond(self, sequence: int, limit: float) -> RuntimeStatus:
        """Return the status as soon as its number exceeds `sequence`, or after `limit` seconds as it then is."""
        changed = asyncio.Event()
        waiter = (asyncio.get_running_loop(), changed)
        with self._lock:
            self._waiting.add(waiter)
        try:
            async with asyncio.timeout(limit):
                while self._state.sequence <= sequence:
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.discard(waiter)
        return self.status()

    def _change(self, change: Callable[[ServerState], ServerState]) -> None:
        with self._lock:
            before = self._state
            self._state = change(before)
            waiting = () if self._state is before else tuple(self._waiting)
        for loop, changed in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)
