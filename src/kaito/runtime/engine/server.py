"""vLLM's server in this process: engine, application, warm-up, the socket's handover, and the drain at the end."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import structlog
import uvicorn
from prometheus_client import REGISTRY

from kaito.runtime.adapters.service import AdapterService
from kaito.runtime.chat import ChatRoute
from kaito.runtime.chat.translate import asked_by_default
from kaito.runtime.config import EffectiveConfig, ServeOptions
from kaito.runtime.engine import vllm_compat
from kaito.runtime.engine.benchmark import benchmark, load_for
from kaito.runtime.engine.causes import start_failures
from kaito.runtime.engine.certificate import check_certificate
from kaito.runtime.engine.lifecycle import ABORT_SECONDS, HttpServer, until_the_end
from kaito.runtime.engine.lora import LoraEngine, LoraEngineElsewhere
from kaito.runtime.engine.parent_death import mark_server
from kaito.runtime.engine.processes import cpu_seconds_of_children
from kaito.runtime.engine.pulse import Pulse
from kaito.runtime.engine.warm_up import least, look_at, warm_up
from kaito.runtime.engine.watch import Watch
from kaito.runtime.front import BackgroundLoop, Gate, KeyRing, Limits, Rules, asgi
from kaito.runtime.front.keys import KEY_VARIABLE
from kaito.runtime.front.pins import Pins
from kaito.runtime.logs import recorded_cause
from kaito.runtime.status import StatusBoard
from kaito.runtime.status.metrics import RequestMetrics
from kaito.runtime.weights import Weights

_log = structlog.get_logger("kaito.runtime")


@dataclass(frozen=True)
class Serving:
    """What the server is made of."""

    options: ServeOptions
    config: EffectiveConfig
    weights: Weights
    keys: KeyRing
    adapters: AdapterService
    background: BackgroundLoop
    arguments: Any
    board: StatusBoard
    clock: Callable[[], float]


async def serve(serving: Serving, listener: socket.socket, take_over: Callable[[], Awaitable[None]]) -> None:
    """Load, warm up, take the socket over and serve until SIGTERM or SIGINT; then drain and end the engine.

    `take_over` ends the early answers on the socket. Raises FatalError.
    """
    board, tls = serving.board, serving.arguments
    check_certificate(tls.ssl_certfile, tls.ssl_keyfile, tls.ssl_ca_certs)
    board.enter("loading", f"loading {serving.weights.source}")
    _take_over_from_vllm(serving.arguments)
    mark_server()
    async with AsyncExitStack() as stack:
        with start_failures(recorded_cause):
            engine = await stack.enter_async_context(vllm_compat.build_async_engine_client(serving.arguments))
            pulse = Pulse(engine, count_tokens=serving.arguments.max_num_queued_tokens is not None)
            tasks = await engine.get_supported_tasks()
            application = await _application(engine, serving.arguments, tasks)
        board.weights(loaded=board.state.weights["totalBytes"])
        gate = await _warmed(serving, engine, application, pulse, tasks)
        server = HttpServer(_http_config(gate, serving))
        await take_over()
        board.enter("ready", serving.weights.sentence())
        _log.info("ready", seconds=dict(board.state.stage_seconds), serves=serving.weights.sentence())
        beside = [asyncio.create_task(serving.keys.follow(), name="keys")]
        if serving.options.benchmark_seconds:
            beside.append(asyncio.create_task(_benchmark(serving, engine, application), name="benchmark"))
        try:
            await until_the_end(
                partial(server.serve, sockets=[listener]),
                partial(setattr, server, "should_exit", True),
                _watch(serving, engine, application, pulse, least(_base(serving), tasks)).run(),
                gate,
                board,
                serving.options,
            )
        finally:
            for task in beside:
                task.cancel()
            await serving.background.ask(serving.adapters.detach())
        # Every request has ended. In this thread, so that the engine's reader is cancelled before it can complain.
        engine.shutdown(timeout=0)


async def _application(engine: Any, arguments: Any, tasks: tuple[str, ...]) -> Any:
    """Return vLLM's application for the engine, with the adapters and parsers that its flags name."""
    application = vllm_compat.build_app(arguments, tasks, engine.model_config)
    await vllm_compat.init_app_state(engine, application.state, arguments, tasks)
    application.state.server = SimpleNamespace()  # what vLLM's error handlers tell to exit; the watch decides that
    return application


def _take_over_from_vllm(arguments: Any) -> None:
    """Leave to the gate what it does: the keys, of which vLLM would guard some paths only, and the request ids."""
    arguments.api_key = None
    os.environ.pop(KEY_VARIABLE, None)
    arguments.enable_request_id_headers = False


def _base(serving: Serving) -> str:
    return serving.config.names[0] if serving.config.names else serving.options.model


def _own_scope(options: ServeOptions) -> asgi.Scope:
    return asgi.own_scope(options.host or "127.0.0.1", options.port)


def _watch(
    serving: Serving, engine: Any, application: Any, pulse: Pulse, canary: tuple[str, dict[str, Any]] | None
) -> Watch:
    """Return what looks at the engine from now on; with no canary it sees that the engine has ended, not that it hangs.

    `canary`: path and body of what an engine that is long silent is asked.
    """
    options = serving.options
    scope = _own_scope(options)
    path, body = canary or ("", {})

    async def ask() -> int:
        return (await asgi.ask(application, scope, "POST", path, body)).status

    return Watch(
        engine,
        pulse,
        ask,
        period=options.canary_seconds if canary else 0,
        deadline=options.canary_deadline_seconds,
        clock=serving.clock,
        cpu_seconds=None if serving.config.accelerator else cpu_seconds_of_children,
    )


async def _benchmark(serving: Serving, engine: Any, application: Any) -> None:
    """Measure the server as upstream does; the lines go to standard output, where upstream's controller reads them."""
    vllm = engine.vllm_config
    load = load_for(
        vllm.model_config.max_model_len,
        vllm.scheduler_config.max_num_seqs,
        (vllm.cache_config.num_gpu_blocks or 0) * vllm.cache_config.block_size,
        serving.options.benchmark_seconds,
    )
    await benchmark(
        application,
        _own_scope(serving.options),
        _base(serving),
        load,
        clock=serving.clock,
        now=lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        write=partial(print, end="", flush=True),
    )


def _rules(serving: Serving, engine: Any) -> Rules:
    """Return what requests are held to."""
    options, scheduler = serving.options, engine.vllm_config.scheduler_config
    engines = engine.vllm_config.parallel_config.data_parallel_size
    limits = Limits(
        slots=0 if options.disable_rate_limit else scheduler.max_num_seqs * engines,
        requests=scheduler.max_num_queued_reqs,
        tokens=scheduler.max_num_queued_tokens,
    )
    return Rules(
        serving.keys,
        limits,
        options.max_body_bytes,
        seconds=options.request_timeout_seconds or None,
        log=options.log_level in {"debug", "info"},
        root_path=serving.arguments.root_path,
    )


async def _warmed(serving: Serving, engine: Any, application: Any, pulse: Pulse, tasks: tuple[str, ...]) -> Gate:
    """Load the adapters, ask everything once, and return the gate through which clients will come."""
    board, options = serving.board, serving.options
    base = _base(serving)
    scope = _own_scope(options)
    pins = Pins()
    models = application.state.openai_serving_models
    lora = LoraEngine(engine, models, pins, largest_rank=serving.config.lora_rank)
    await serving.background.ask(
        serving.adapters.attach(LoraEngineElsewhere(lora), lora.taken, options.adapter_wait_seconds)
    )
    board.enter("warming", "asking the model once")
    about = await look_at(application, scope, base)
    await warm_up(application, scope, base, lora.adapters, tasks=tasks, chat=about.chat_template)
    together = [options.workspace] if options.workspace else []
    chat = ChatRoute(application, about, lambda: asked_by_default(options.workspace, together, base, lora.adapters))

    async def healthy() -> bool:
        return not engine.errored

    return Gate(
        application,
        board,
        healthy=healthy,
        routes={"/chat": chat},
        pins=pins,
        about=serving.weights.about(),
        clock=serving.clock,
        metrics=RequestMetrics(REGISTRY),
        rules=_rules(serving, engine),
        load=pulse.load,
        served=lambda name: name in models.lora_requests or models.is_base_model(name),
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
