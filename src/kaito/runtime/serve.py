"""`kaito-runtime serve`: the order of a start, from the first answered probe to the last drained request."""

import asyncio
import importlib.util
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import structlog
from prometheus_client import REGISTRY

from kaito import __version__
from kaito.runtime.adapters.check import read_base
from kaito.runtime.adapters.first_look import ranks_found
from kaito.runtime.adapters.follower import Places
from kaito.runtime.adapters.service import AdapterService
from kaito.runtime.adapters.sizing import LoraSize, lora_size
from kaito.runtime.adapters.sources import hub_forbidden
from kaito.runtime.config import (
    ConfigFile,
    EffectiveConfig,
    ServeOptions,
    effective_config,
    inspect_hardware,
    parse_config_file,
)
from kaito.runtime.config.flags import Flags
from kaito.runtime.failure import FatalError
from kaito.runtime.front import AdminServer, BackgroundLoop, EarlyAnswers, KeyRing, listen
from kaito.runtime.front.keys import keys_of_vllm
from kaito.runtime.logs import configure_logging, write_vllm_logging
from kaito.runtime.status import ServerState, StatusBoard
from kaito.runtime.status.adapter_metrics import AdapterMetrics
from kaito.runtime.status.metrics import RuntimeCollector
from kaito.runtime.weights import Weights, inspect_weights

_log = structlog.get_logger("kaito.runtime")

TRACES_MILLISECONDS = 2000
"""How long the end waits for a collector of traces."""

LINGER_SECONDS = 0.5
"""How long a failed server still answers its admin port: readers that wait there learn why it ends."""


@dataclass(frozen=True)
class Plan:
    """What is known before vLLM is imported."""

    file: ConfigFile
    weights: Weights
    config: EffectiveConfig
    keys: KeyRing


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
    _send_traces()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def serve(options: ServeOptions) -> int:
    """Serve until told to end; return the exit status."""
    configure_logging(options.log_level)
    if options.print_effective_config:
        return _print(make_plan(options), sys.stdout.write)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    plan, failure = _try(lambda: make_plan(options))
    weights = plan.weights if plan else Weights("path", options.model)
    board = StatusBoard(_first_state(options, plan, weights), time.monotonic)
    try:
        with listen(options.host, options.port) as listener:
            return _serve_on(listener, options, plan, board, failure)
    except FatalError as error:
        return _report(error)
    except Terminated:
        _log.info("ended before it was ready")
        return 0


def make_plan(options: ServeOptions, weights: Weights | None = None) -> Plan:
    """Read config file, weights and adapters, and put together what vLLM is started with. Raises FatalError.

    `weights`: what is known of them, if it is more than `--model` tells.
    """
    keys = KeyRing(options.api_keys_file, keys_of_vllm(options.vllm, os.environ))
    file = _read_config_file(options.config_file)
    weights = weights or inspect_weights(options.model)
    config = effective_config(
        options,
        file,
        inspect_hardware(os.environ),
        weights,
        lora=_room_for_adapters(options),
        environment=os.environ,
    )
    return Plan(file, weights, config, keys)


def _room_for_adapters(options: ServeOptions) -> LoraSize | None:
    """Return the room for adapters; None where nothing says that any may come."""
    sources = (options.adapters_dir, options.adapter_set_file, options.adapter_store, options.admin_token_file)
    if not any(sources) and options.vllm.get("enable-lora") is None:
        return None
    found = ranks_found(options.adapters_dir, options.adapter_set_file)
    return lora_size(found, together=bool(options.workspace))


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
    adapters = _adapters(options, plan, board, Path(scratch.name))
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
    except FatalError as error:
        board.fail(error.status())
        _end_engine()
        background.call(asyncio.sleep(LINGER_SECONDS))
        return _report(error)
    finally:
        REGISTRY.unregister(collector)
        _end_engine()
        background.call(adapters.stop())
        background.call(early.stop())
        background.call(admin.stop())
        background.stop()
        scratch.cleanup()
    _log.info("ended")
    return 0


def _adapters(options: ServeOptions, plan: Plan | None, board: StatusBoard, scratch: Path) -> AdapterService:
    """Return what manages the adapters. A store that cannot be written to costs its content, never the server."""
    store = options.adapter_store or scratch / "adapters"
    try:
        store.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=store).close()
    except OSError as error:
        _log.warning("adapters are not kept over restarts: the store cannot be written to", why=str(error))
        store = scratch / "adapters"
        store.mkdir()
    names = plan.config.names if plan else ()
    return AdapterService(
        board,
        AdapterMetrics(REGISTRY),
        Places(
            store,
            options.adapters_dir,
            options.adapter_set_file,
            options.adapter_credentials_dir,
            private_sources=options.adapter_private_sources,
            offline=hub_forbidden(os.environ),
        ),
        workspace="" if options.workspace in names else options.workspace,
        taken={name for name in (*names, options.workspace) if name},
    )


def _run(listener: socket.socket, options: ServeOptions, plan: Plan, beside: Beside) -> None:
    """Get the model, import vLLM in the environment it needs, and serve."""
    board, background = beside.board, beside.background
    if plan.weights.kind == "hub":
        options, plan = _fetch(options, plan, board)
    for remark in plan.config.remarks:
        _log.info("adjusted", remark=remark)
    _log.info("weights", kind=plan.weights.kind, says=plan.weights.sentence(), bytes=plan.weights.total_bytes)
    names = (*plan.config.names, plan.weights.preset, plan.weights.source)
    base = read_base(Path(options.model), names, as_written=_serves_as_written(plan.config.flags))
    background.call(beside.adapters.start(base))
    board.enter(board.state.stage, "importing vLLM")
    os.environ.update(plan.config.environment)
    os.environ.update(write_vllm_logging(beside.scratch, options.log_level))
    compat = _import_vllm()
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


def _serves_as_written(flags: Flags) -> bool:
    """Say whether vLLM takes its own class for the architecture that config.json names."""
    told = flags.value("model-impl") not in {None, "auto", "vllm"}
    return not told and not any(flag.name.startswith(("hf-overrides", "hf-config")) for flag in flags)


def _fetch(options: ServeOptions, plan: Plan, board: StatusBoard) -> tuple[ServeOptions, Plan]:
    """Download the model; return options and plan for the folder it is in. Raises HubError, and NotEnoughMemory."""
    from huggingface_hub import constants

    from kaito.runtime.hub import HubModel, fetch

    known, flags = plan.weights, plan.config.flags
    model = HubModel(known.source, flags.value("revision") or "main", _download_folder(plan.config))
    folder = fetch(model, board, lambda size: make_plan(options, replace(known, total_bytes=size)))
    constants.HF_HUB_OFFLINE = True  # read from the environment at import
    options = replace(options, model=str(folder))
    found = inspect_weights(options.model)
    weights = replace(found, kind="hub", source=known.source) if found.kind == "path" else found
    return options, make_plan(options, weights)


def _send_traces() -> None:
    """Send the last spans, where vLLM was told to trace: they wait for their batch, and the process ends at once."""
    tracing = sys.modules.get("opentelemetry.trace")
    send = getattr(tracing.get_tracer_provider(), "force_flush", None) if tracing else None
    if send is not None:
        send(TRACES_MILLISECONDS)


def _import_vllm() -> Any:
    """Return the compat module. Raises VllmMissing or VllmIncompatible."""
    if importlib.util.find_spec("vllm") is None:
        raise FatalError(
            "VllmMissing",
            "vLLM is not installed beside kaito.",
            remedy="Install it: pip install 'kaito[cpu]' on a machine without a GPU, 'kaito[gpu]' with one.",
        )
    try:
        from kaito.runtime.engine import vllm_compat
    except ImportError as error:
        raise FatalError(
            "VllmIncompatible",
            f"The installed vLLM cannot be imported as this runtime needs it: {error}.",
            remedy="Install vLLM 0.32 (pip install 'kaito[cpu]' or 'kaito[gpu]').",
        ) from error
    return vllm_compat


def _end_engine() -> None:
    """End what vLLM may have left running. Cheap when vLLM was never imported."""
    if "vllm" in sys.modules:
        from kaito.runtime.engine.processes import end_children

        end_children()


def _first_state(options: ServeOptions, plan: Plan | None, weights: Weights) -> ServerState:
    model = plan.config.names[0] if plan and plan.config.names else options.model
    return ServerState(model=model, weights=weights.status(), entered=time.monotonic(), message="importing vLLM")


def _read_config_file(path: Path | None) -> ConfigFile:
    if path is None:
        return ConfigFile()
    try:
        return parse_config_file(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(
            "InvalidConfigFile",
            f"The inference config {path} cannot be read: {error}.",
            remedy="Check the ConfigMap that the Workspace names in spec.inference.config, and its mount.",
        ) from None


def _download_folder(config: EffectiveConfig) -> Path:
    given = config.flags.value("download-dir") or os.environ.get("HF_HUB_CACHE")
    return Path(given) if given else Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser() / "hub"


def _print(plan: Plan, write: Callable[[str], Any]) -> int:
    content = {
        "argv": plan.config.flags.shown(),
        "environment": dict(plan.config.environment),
        "remarks": list(plan.config.remarks),
        "weights": plan.weights.about(),
        "models": list(plan.config.names) or [plan.weights.source],
    }
    write(json.dumps(content, indent=2) + "\n")
    return 0


def _report(error: FatalError) -> int:
    _log.error("failed", reason=error.reason, message=error.message, remedy=error.remedy)
    return error.exit_status


def _try(make: Callable[[], Plan]) -> tuple[Plan | None, FatalError | None]:
    try:
        return make(), None
    except FatalError as error:
        return None, error


def _interrupt(*_: object) -> NoReturn:
    raise Terminated
