"""The order of a start, from the first answered probe to the last drained request."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import structlog
from prometheus_client import REGISTRY

from kaito import __version__
from kaito.runtime.adapters.service import AdapterService
from kaito.runtime.config import ServeOptions
from kaito.runtime.failure import EXIT_FAILED, FatalError
from kaito.runtime.front import AdminServer, BackgroundLoop, EarlyAnswers, KeyRing, listen
from kaito.runtime.logs import configure_logging, write_vllm_logging
from kaito.runtime.serve.adapters import adapter_service, served_base
from kaito.runtime.serve.from_hub import fetch_model
from kaito.runtime.serve.plan import Plan, make_plan, print_plan
from kaito.runtime.serve.vllm import end_at_once, end_engine, import_vllm, send_traces
from kaito.runtime.status import ServerState, StatusBoard
from kaito.runtime.status.metrics import RuntimeCollector
from kaito.runtime.weights import Weights

_log = structlog.get_logger("kaito.runtime")

LINGER_SECONDS = 0.5
"""How long a failed server still answers its admin port: readers that wait there learn why it ends."""


@dataclass(frozen=True)
class Beside:
    """What runs beside the serving thread. `scratch` is a folder that goes with the process."""

    board: StatusBoard
    background: BackgroundLoop
    early: EarlyAnswers
    adapters: AdapterService
    scratch: Path


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGINT came before the server was ready."""


def serve_and_exit(options: ServeOptions) -> NoReturn:
    """Serve until told to end, then end the process at once.

    Everything is closed by then. Python's own tidying up after vLLM takes seconds that a rolling update would wait for.
    """
    status = serve(options)
    send_traces()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def serve(options: ServeOptions) -> int:
    """Serve until told to end; return the exit status."""
    configure_logging(options.log_level)
    if options.print_effective_config:
        print_plan(make_plan(options), sys.stdout.write)
        return 0
    _when_told_to_end(_interrupt)
    try:
        plan, failure = _try(lambda: make_plan(options))
        weights = plan.weights if plan else Weights("path", options.model)
        board = StatusBoard(_first_state(options, plan, weights), time.monotonic)
        with listen(options.host, options.port) as listener:
            return _serve_on(listener, options, plan, board, failure)
    except Terminated:
        _log.info("ended before it was ready")
        return 0
    except Exception as error:  # noqa: BLE001 - whatever it is, one line says that the server has failed, and the status
        return _report(_fatal(error))


def _serve_on(
    listener: socket.socket,
    options: ServeOptions,
    plan: Plan | None,
    board: StatusBoard,
    failure: FatalError | None,
) -> int:
    """Answer from now on; then import, load and serve. Nothing of ours is left running when this returns."""
    background = BackgroundLoop("kaito-front")
    collector = RuntimeCollector(board)
    REGISTRY.register(collector)
    early = EarlyAnswers(board, REGISTRY, plan.keys if plan else KeyRing())
    scratch = tempfile.TemporaryDirectory(prefix="kaito-runtime-", ignore_cleanup_errors=True)
    adapters = adapter_service(options, plan, board, Path(scratch.name))
    admin = AdminServer(board, REGISTRY, options.admin_token_file, adapters)
    try:
        background.call(early.start(listener))
        if options.admin_port:
            background.call(admin.start(listen(options.host, options.admin_port)))
        _log.info(
            "answering", version=__version__, host=options.host or "*", port=options.port, model=board.state.model
        )
        if failure or plan is None:
            raise failure or AssertionError
        _run(listener, options, plan, Beside(board, background, early, adapters, Path(scratch.name)))
        _when_told_to_end(_end_now)  # the loop that was told first has taken its handlers along
    except Exception as raised:  # noqa: BLE001 - whatever it is, probes, readers and the log are told of a failure
        _when_told_to_end(_end_later)
        error = _fatal(raised)
        status = _report(error)
        board.fail(error.status())
        end_engine()
        background.call(asyncio.sleep(LINGER_SECONDS))
        return status
    finally:
        REGISTRY.unregister(collector)
        end_engine()
        background.call(adapters.stop())
        background.call(early.stop())
        background.call(admin.stop())
        background.stop()
        scratch.cleanup()
    _log.info("ended")
    return 0


def _run(listener: socket.socket, options: ServeOptions, plan: Plan, beside: Beside) -> None:
    """Get the model, import vLLM in the environment it needs, and serve."""
    board, background = beside.board, beside.background
    if plan.weights.kind == "hub":
        options, plan = fetch_model(options, plan, board)
    for remark in plan.config.remarks:
        _log.info("adjusted", remark=remark)
    _log.info("weights", kind=plan.weights.kind, says=plan.weights.sentence(), bytes=plan.weights.total_bytes)
    background.call(beside.adapters.start(served_base(options, plan)))
    board.enter(board.state.stage, "importing vLLM")
    os.environ.update(plan.config.environment)
    os.environ.update(write_vllm_logging(beside.scratch, options.log_level))
    compat = import_vllm()
    import uvloop

    from kaito.runtime.engine.arguments import takes_lora, vllm_arguments
    from kaito.runtime.engine.server import Serving
    from kaito.runtime.engine.server import serve as serve_vllm

    compat.self_test(_log.info)
    if plan.config.lora_assumed and not takes_lora(plan.weights.config.get("architectures") or ()):
        plan = replace(plan, config=plan.config.without_lora())
        _log.info("adjusted", remark=plan.config.remarks[-1])
    arguments = vllm_arguments(plan.config, plan.file)
    compat.configure_logging_from_args(arguments)
    _log.info("starting vLLM", flags=plan.config.flags.shown())
    serving = Serving(
        options,
        plan.config,
        plan.weights,
        plan.keys,
        beside.adapters,
        background,
        arguments,
        board,
        clock=time.monotonic,
    )
    uvloop.run(serve_vllm(serving, listener, lambda: asyncio.to_thread(background.call, beside.early.stop())))


def _first_state(options: ServeOptions, plan: Plan | None, weights: Weights) -> ServerState:
    model = plan.config.names[0] if plan and plan.config.names else options.model
    return ServerState(model=model, weights=weights.status(), entered=time.monotonic(), message="importing vLLM")


def _fatal(error: Exception) -> FatalError:
    """Return what ends the server; the log gets the traceback of an error that nobody foresaw."""
    if isinstance(error, FatalError):
        return error
    _log.error("unexpected", exc_info=error)
    return FatalError(
        "Internal",
        f"The server met an error that it does not know: {type(error).__name__}: {' '.join(str(error).split())[:600]}",
        remedy="The log before this line has the traceback: please report it. Kubernetes restarts the container.",
    )


def _report(error: FatalError) -> int:
    _log.error("failed", reason=error.reason, message=error.message, remedy=error.remedy)
    return error.exit_status


def _try(make: Callable[[], Plan]) -> tuple[Plan | None, FatalError | None]:
    try:
        return make(), None
    except Exception as error:  # noqa: BLE001 - the ports answer first, and say what it is
        return None, _fatal(error)


def _when_told_to_end(do: Callable[[int, FrameType | None], Any]) -> None:
    """Say what SIGTERM and SIGINT do from now on. vLLM's loop has handlers of its own while the server is ready."""
    signal.signal(signal.SIGTERM, do)
    signal.signal(signal.SIGINT, do)


def _interrupt(*_: object) -> NoReturn:
    """Give up the start."""
    _when_told_to_end(_end_now)
    raise Terminated


def _end_later(*_: object) -> None:
    """Change nothing: the server has failed, and ends as soon as everybody knows why."""
    _when_told_to_end(_end_now)


def _end_now(*_: object) -> NoReturn:
    """End without waiting for anything: this is the second time. The log may be in the middle of a line: none here."""
    end_at_once(EXIT_FAILED)
