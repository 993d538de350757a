"""From ready to the end: signals, the drain, and what clients are told when the engine is lost."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator

import structlog
import uvicorn

from kaito.runtime.config import ServeOptions
from kaito.runtime.engine.processes import end_at_once, kill_children
from kaito.runtime.failure import EXIT_FAILED, FatalError
from kaito.runtime.front import Gate
from kaito.runtime.front.errors import refused
from kaito.runtime.status import StatusBoard

_log = structlog.get_logger("kaito.runtime")

ABORT_SECONDS = 2
"""Time for connections to close after the grace period has passed and their requests were cut."""

FAILED_SECONDS = 1.0
"""How long a server whose engine is lost still answers: probes say why, and its clients get their errors."""

Sleep = Callable[[float], Awaitable[None]]


class HttpServer(uvicorn.Server):  # type: ignore[misc]
    """uvicorn without its signal handlers: its own would end the process before the engine's processes are ended."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class Ending:
    """What SIGTERM and SIGINT do. The first begins the drain: at once not ready. The second ends the process."""

    def __init__(self, board: StatusBoard) -> None:
        self.asked = asyncio.Event()
        self.delay = True
        self._board = board

    def signalled(self, number: int) -> None:
        """Take note of a signal. SIGINT is a person at a terminal: no endpoints are to follow."""
        if self.asked.is_set():
            _log.warning("asked to end a second time: ending at once")
            end_at_once(EXIT_FAILED)
        self.delay = number != signal.SIGINT
        if self._board.state.stage != "failed":
            self._board.enter("draining", "told to end")
        self.asked.set()


async def drain(gate: Gate, board: StatusBoard, options: ServeOptions, *, delay: bool, sleep: Sleep) -> None:
    """Bring the requests to their end: new ones are taken while endpoints follow, then refused; then time runs out."""
    board.enter("draining", f"not ready; new requests are taken for {options.drain_delay_seconds:g} s more")
    _log.info("draining", in_flight=gate.in_flight.count, grace_seconds=options.grace_seconds)
    if delay:
        await sleep(options.drain_delay_seconds)
    gate.closed = True
    board.enter("draining", f"finishing {gate.in_flight.count} requests")
    cut = 0
    try:
        async with asyncio.timeout(options.grace_seconds):
            await gate.in_flight.wait_for_none()
    except TimeoutError:
        message = f"The server ends, and this request was not done in the {options.grace_seconds:g} s it had."
        cut = gate.in_flight.cut_all(refused(503, "shutting_down", message))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ABORT_SECONDS):
                await gate.in_flight.wait_for_none()
    _log.info("drained", cut_off=cut)


async def fail(gate: Gate, board: StatusBoard, error: FatalError, *, sleep: Sleep) -> None:
    """Say at once that the server has failed, on every probe and to every client that waits for an answer."""
    board.fail(error.status())
    cut = gate.in_flight.cut_all(refused(503, error.reason, f"{error.message} Try again in a moment."))
    _log.error("the engine is lost", reason=error.reason, cut_off=cut)
    await sleep(FAILED_SECONDS)


async def until_the_end(
    serving: Callable[[], Awaitable[None]],
    stop: Callable[[], None],
    watch: Awaitable[None],
    gate: Gate,
    board: StatusBoard,
    options: ServeOptions,
) -> None:
    """Serve until told to end, then drain. Raises what `watch` raises, once everybody has been told.

    `serving` runs the HTTP server, `stop` ends it. Raises Internal if that one ends by itself.
    """
    loop = asyncio.get_running_loop()
    ending = Ending(board)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.signalled, number)

    async def course() -> None:
        told = loop.create_task(ending.asked.wait())
        await asyncio.wait({told, http}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not ending.asked.is_set():
            raise _ended_by_itself(http)
        await drain(gate, board, options, delay=ending.delay, sleep=asyncio.sleep)

    http = loop.create_task(_http(serving))
    watching = asyncio.ensure_future(watch)
    draining = loop.create_task(course())
    try:
        await asyncio.wait({watching, draining}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        draining.result()
    except FatalError as error:
        await fail(gate, board, error, sleep=asyncio.sleep)
        kill_children()  # one that hangs ends no other way, and one that is dead leaves its workers
        raise
    finally:
        stop()
        watching.cancel()
        draining.cancel()
        await asyncio.wait({http}, timeout=ABORT_SECONDS + 2)
        http.cancel()


async def _http(serving: Callable[[], Awaitable[None]]) -> None:
    """Run the HTTP server. uvicorn leaves the process where its application does not start: that is an error here."""
    try:
        await serving()
    except SystemExit as error:
        raise RuntimeError(f"it left with status {error.code}") from error


def _ended_by_itself(http: asyncio.Task[None]) -> FatalError:
    error = http.exception()
    why = f": {type(error).__name__}: {error}" if error else ""
    return FatalError(
        "Internal",
        f"The HTTP server ended though nobody told it to{why}.",
        remedy="Kubernetes restarts the container; the log before this line may say more. If it stays, report it.",
    )
