"""Our own flags of `kaito-runtime serve`; everything else on the command line is vLLM's."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaito import contracts
from kaito.runtime.config.flags import Flags
from kaito.runtime.failure import FatalError

GRACE_SECONDS = 30.0
"""How long requests in flight may go on after SIGTERM; below Kubernetes' usual 60 s for such pods."""

DRAIN_DELAY_SECONDS = 5.0
"""How long new requests are taken after SIGTERM: what kube-proxy and load balancers need to follow the endpoints."""

CANARY_SECONDS = 15.0
CANARY_DEADLINE_SECONDS = 60.0
MAX_BODY_BYTES = 8 * 2**20
"""A context of 128k tokens is about half a megabyte of text; images and audio need more."""

ADAPTER_WAIT_SECONDS = 20.0
"""How long readiness waits for the adapters that are wanted at the start; those that take longer come later."""

EXAMPLE = """example:
  kaito-runtime serve --model=/workspace/weights --served-model-name=phi-3-mini-4k-instruct --port=5000

Flags that are not listed here are vLLM's own and are passed on (see `vllm serve --help`).
"""

_WITHOUT_EFFECT = {
    "--kaito-max-probe-steps": "vLLM finds the longest context that fits by itself (--max-model-len=auto)",
    "--kaito-kv-cache-cpu-memory-utilization": "KV cache offload is off; --kv-offloading-size turns it on",
}
"""KAITO's own flags that are taken for its command lines' sake, and why they do nothing."""


@dataclass(frozen=True)
class ServeOptions:
    """What the command line says beside vLLM's flags. Times in seconds; an empty host means all addresses."""

    model: str
    vllm: Flags
    host: str = ""
    port: int = contracts.SERVING_PORT
    adapters_dir: Path | None = None
    config_file: Path | None = None
    adapter_set_file: Path | None = None
    adapter_store: Path | None = None
    adapter_credentials_dir: Path | None = None
    adapter_private_sources: bool = False
    adapter_wait_seconds: float = ADAPTER_WAIT_SECONDS
    admin_port: int = contracts.ADMIN_PORT
    admin_token_file: Path | None = None
    workspace: str = ""
    grace_seconds: float = GRACE_SECONDS
    drain_delay_seconds: float = DRAIN_DELAY_SECONDS
    request_timeout_seconds: float = 0.0
    max_body_bytes: int = MAX_BODY_BYTES
    api_keys_file: Path | None = None
    disable_rate_limit: bool = False
    canary_seconds: float = CANARY_SECONDS
    canary_deadline_seconds: float = CANARY_DEADLINE_SECONDS
    benchmark_seconds: float = 0.0
    log_level: str = "info"
    print_effective_config: bool = False
    remarks: tuple[str, ...] = ()


def add_serve_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `serve`."""
    add = parser.add_argument
    add("--model", metavar="PATH|ID", help="weights: a folder, or an id on the Hugging Face hub (required)")
    add("--host", default=None, help=f"address to listen on (default: ${contracts.BIND_HOST_VARIABLE}, else all)")
    add("--port", type=_port, default=contracts.SERVING_PORT, help="port of the API (default: %(default)s)")
    add(
        contracts.ADAPTERS_FLAG,
        dest="adapters_dir",
        type=Path,
        metavar="DIR",
        help="folder of LoRA adapters, one sub-folder each; followed",
    )
    add(
        contracts.ADAPTER_SET_FLAG,
        dest="adapter_set_file",
        type=Path,
        metavar="FILE",
        help="JSON that says which adapters are wanted and where they come from; followed",
    )
    add(
        contracts.ADAPTER_STORE_FLAG,
        dest="adapter_store",
        type=Path,
        metavar="DIR",
        help="folder where adapters are kept by content, over restarts (default: a temporary one)",
    )
    add(
        contracts.ADAPTER_CREDENTIALS_FLAG,
        dest="adapter_credentials_dir",
        type=Path,
        metavar="DIR",
        help="folder with one <secret>.json per pull secret",
    )
    add(
        contracts.ADAPTER_PRIVATE_SOURCES_FLAG,
        dest="adapter_private_sources",
        action="store_true",
        help="let URLs of adapters lead into private networks (images may be there anyway)",
    )
    add(
        "--kaito-adapter-wait-seconds",
        dest="adapter_wait_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=ADAPTER_WAIT_SECONDS,
        help="how long readiness waits for the first adapters (default: %(default)s)",
    )
    add(
        contracts.CONFIG_FLAG,
        dest="config_file",
        type=Path,
        metavar="FILE",
        help="YAML with a `vllm:` map; beats flags",
    )
    add(
        contracts.ADMIN_PORT_FLAG,
        dest="admin_port",
        type=_port,
        default=contracts.ADMIN_PORT,
        help="port of /v1/status (default: %(default)s; 0: none)",
    )
    add(
        contracts.ADMIN_TOKEN_FLAG,
        dest="admin_token_file",
        type=Path,
        metavar="FILE",
        help="file with the bearer token of the admin port",
    )
    add(
        contracts.WORKSPACE_NAME_FLAG,
        dest="workspace",
        default="",
        metavar="NAME",
        help="name of the Workspace: a model name that asks all its adapters",
    )
    add(
        "--kaito-grace-seconds",
        dest="grace_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=GRACE_SECONDS,
        help="time for requests in flight after SIGTERM and the delay (default: %(default)s)",
    )
    _add_request_flags(add)
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: %(default)s)")
    add(
        "--print-effective-config", action="store_true", help="print what vLLM would be started with, as JSON, and exit"
    )
    for flag in _WITHOUT_EFFECT:
        add(flag, help=argparse.SUPPRESS)


def _add_request_flags(add: Callable[..., Any]) -> None:
    """Declare what requests are held to, and how the engine is watched."""
    add(
        "--kaito-drain-delay-seconds",
        dest="drain_delay_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=DRAIN_DELAY_SECONDS,
        help="time after SIGTERM in which new requests are still taken, while endpoints follow (default: %(default)s)",
    )
    add(
        "--kaito-request-timeout-seconds",
        dest="request_timeout_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=0.0,
        help="longest time for a request; X-Request-Timeout asks for less (default: no limit)",
    )
    add(
        "--kaito-max-body-bytes",
        dest="max_body_bytes",
        type=_positive,
        metavar="BYTES",
        default=MAX_BODY_BYTES,
        help="longest body of a request (default: %(default)s)",
    )
    add(
        "--kaito-api-keys-file",
        dest="api_keys_file",
        type=Path,
        metavar="FILE",
        help="keys that clients need, one a line, plain or name:sha256:<hex>; followed while serving",
    )
    add("--kaito-disable-rate-limit", action="store_true", help="take requests however many wait")
    add(
        "--kaito-canary-seconds",
        dest="canary_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=CANARY_SECONDS,
        help="ask a silent engine for one token this often (default: %(default)s; 0: never)",
    )
    add(
        "--kaito-canary-deadline-seconds",
        dest="canary_deadline_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=CANARY_DEADLINE_SECONDS,
        help="an engine that then takes no step for this long has failed (default: %(default)s)",
    )
    add(
        "--kaito-benchmark-seconds",
        dest="benchmark_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=0.0,
        help="measure the server for this long once it is ready, and print KAITO_BENCHMARK_RESULT (default: not)",
    )


def serve_options(known: argparse.Namespace, rest: Sequence[str], environment: dict[str, str]) -> ServeOptions:
    """Return the options of a parsed command line. Raises InvalidFlag."""
    if not known.model:
        raise FatalError("InvalidFlag", "--model is missing.", remedy="Give --model a folder of weights or a hub id.")
    try:
        vllm = Flags.parse(rest)
    except ValueError as error:
        raise FatalError(
            "InvalidFlag", f"{str(error)!r} belongs to no flag.", remedy="Weights are given as --model=PATH."
        ) from None
    return ServeOptions(
        model=known.model,
        vllm=vllm,
        host=environment.get(contracts.BIND_HOST_VARIABLE, "") if known.host is None else known.host,
        port=known.port,
        adapters_dir=known.adapters_dir,
        adapter_set_file=known.adapter_set_file,
        adapter_store=known.adapter_store,
        adapter_credentials_dir=known.adapter_credentials_dir,
        adapter_private_sources=known.adapter_private_sources,
        adapter_wait_seconds=known.adapter_wait_seconds,
        config_file=known.config_file,
        admin_port=known.admin_port,
        admin_token_file=known.admin_token_file,
        workspace=known.workspace,
        grace_seconds=known.grace_seconds,
        drain_delay_seconds=known.drain_delay_seconds,
        request_timeout_seconds=known.request_timeout_seconds,
        max_body_bytes=known.max_body_bytes,
        api_keys_file=known.api_keys_file,
        disable_rate_limit=known.kaito_disable_rate_limit,
        canary_seconds=known.canary_seconds,
        canary_deadline_seconds=known.canary_deadline_seconds,
        benchmark_seconds=known.benchmark_seconds,
        log_level=known.log_level,
        print_effective_config=known.print_effective_config,
        remarks=tuple(
            f"{flag} has no effect: {why}"
            for flag, why in _WITHOUT_EFFECT.items()
            if getattr(known, flag.removeprefix("--").replace("-", "_")) is not None
        ),
    )


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{value} is no port")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value
