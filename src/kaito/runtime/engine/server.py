"""vLLM's server in this process: engine, application, warm-up, the socket's handover, and the drain at the end."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn

from kaito.runtime.adapters import Adapter
from kaito.runtime.chat import ChatRoute
from kaito.runtime.chat.translate import asked_by_default
from kaito.runtime.config import EffectiveConfig, ServeOptions
from kaito.runtime.engine import vllm_compat
from kaito.runtime.engine.adapters import load_adapters, load_workspace_name
from kaito.runtime.engine.arguments import requested_keys
from kaito.runtime.engine.causes import engine_failure
from kaito.runtime.engine.processes import end_at_once
from kaito.runtime.engine.warm_up import look_at, warm_up
from kaito.runtime.failure import EXIT_FAILED, FatalError
from kaito.runtime.front import Gate, asgi
from kaito.runtime.logs import recorded_cause
from kaito.runtime.status import StatusBoard
from kaito.runtime.weights import Weights

_log = structlog.get_logger("kaito.runtime")

ABORT_SECONDS = 2
"""Time for connections to close after the grace period has passed and their requests were cancelled."""

WATCH_SECONDS = 1.0
"""How often the engine is looked at; probes look at it too."""


@dataclass(frozen=True)
class Serving:
    """What the server is made of."""

    options: ServeOptions
    config: EffectiveConfig
    weights: Weights
    adapters: tuple[Adapter, ...]
    arguments: Any
    board: StatusBoard
    clock: Callable[[], float]


class _Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn without its signal handlers: its own would end the process before the engine's processes are ended."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(serving: Serving, listener: socket.socket, take_over: Callable[[], Awaitable[None]]) -> None:
    """Load, warm up, take the socket over and serve until SIGTERM or SIGINT; then drain and end the engine.

    `take_over` ends the early answers on the socket. Raises FatalError.
    """
    board = serving.board
    board.enter("loading", f"loading {serving.weights.source}")
    async with _engine(serving.arguments) as engine:
        tasks = await engine.get_supported_tasks()
        application = vllm_compat.build_app(serving.arguments, tasks, engine.model_config)
        await vllm_compat.init_app_state(engine, application.state, serving.arguments, tasks)
        board.weights(loaded=board.state.weights["totalBytes"])
        gate = await _warmed(serving, engine, application)
        server = _Server(_http_config(gate, serving))
        await take_over()
        await _serve_http(server, gate, engine, serving, listener)
        # Every request has ended. In this thread, so that the engine's reader is cancelled before it can complain.
        engine.shutdown(timeout=0)


@asynccontextmanager
async def _engine(arguments: Any) -> AsyncIterator[Any]:
    """Run the engine; what keeps it from starting becomes a failure with a remedy."""
    started = False
    try:
        async with vllm_compat.build_async_engine_client(arguments) as engine:
            started = True
            yield engine
    except (FatalError, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except Exception as error:
        if started:
            raise
        raise engine_failure(error, recorded_cause()) from error


async def _warmed(serving: Serving, engine: Any, application: Any) -> Gate:
    """Load the adapters, ask everything once, and return the gate through which clients will come."""
    board, options = serving.board, serving.options
    base = serving.config.names[0] if serving.config.names else options.model
    scope = asgi.own_scope(options.host or "127.0.0.1", options.port)
    keys = requested_keys(serving.arguments)
    if keys:
        scope["headers"].append((b"authorization", b"Bearer " + keys[0].encode()))
    models = application.state.openai_serving_models
    served = await load_adapters(
        models,
        serving.adapters,
        largest_rank=serving.config.lora_rank,
        report=board.adapter,
    )
    aliases = await load_workspace_name(models, serving.adapters, served, options.workspace)
    board.enter("warming", "asking the model once")
    about = await look_at(application, scope, base)
    await warm_up(application, scope, [base, *served, *aliases], about)
    chat = ChatRoute(
        application, about, lambda: asked_by_default(options.workspace, [*serving.config.names, *aliases], base, served)
    )

    async def healthy() -> bool:
        return not engine.errored

    return Gate(
        application,
        board,
        healthy=healthy,
        routes={"/chat": chat},
        about=serving.weights.about(),
        api_keys=keys,
        clock=serving.clock,
    )


def _http_config(gate: Gate, serving: Serving) -> uvicorn.Config:
    arguments = serving.arguments
    return uvicorn.Config(
        gate,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=ABORT_SECONDS,
        ssl_keyfile=arguments.ssl_keyfile,
        ssl_certfile=arguments.ssl_certfile,
        ssl_ca_certs=arguments.ssl_ca_certs,
        ssl_cert_reqs=arguments.ssl_cert_reqs,
        server_header=False,
    )


async def _serve_http(
    server: uvicorn.Server, gate: Gate, engine: Any, serving: Serving, listener: socket.socket
) -> None:
    loop, board = asyncio.get_running_loop(), serving.board
    asked_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end_signal(asked_to_end))
    http = loop.create_task(server.serve(sockets=[listener]), name="http")
    watch = loop.create_task(_watch(engine), name="watch")
    ending = loop.create_task(asked_to_end.wait(), name="ending")
    board.enter("ready", serving.weights.sentence())
    _log.info("ready", seconds=dict(board.state.stage_seconds), serves=serving.weights.sentence())
    try:
        await asyncio.wait({http, watch, ending}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            watch.result()
        board.enter("draining", f"finishing {gate.in_flight.count} requests")
        _log.info("draining", in_flight=gate.in_flight.count, grace_seconds=serving.options.grace_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(serving.options.grace_seconds):
                await gate.in_flight.wait_for_none()
        _log.info("drained", cut_off=gate.in_flight.count)
    finally:
        server.should_exit = True
        watch.cancel()
        ending.cancel()
        await asyncio.wait({http}, timeout=ABORT_SECONDS + 2)
        http.cancel()


def _end_signal(asked_to_end: asyncio.Event) -> Callable[[], None]:
    """Return what SIGTERM does: the first begins the drain, the second cuts it short."""

    def handle() -> None:
        if asked_to_end.is_set():
            _log.warning("asked to end a second time: ending at once")
            end_at_once(EXIT_FAILED)
        asked_to_end.set()

    return handle


async def _watch(engine: Any) -> None:
    """Return when never; raises EngineDied when the engine has ended by itself."""
    while not engine.errored:  # noqa: ASYNC110 - the engine has no event to wait for
        await asyncio.sleep(WATCH_SECONDS)
    raise FatalError(
        "EngineDied",
        f"The engine ended while serving. {recorded_cause()}".strip(),
        remedy="Kubernetes restarts the container; the lines of the log before this one have the engine's own account.",
    )
