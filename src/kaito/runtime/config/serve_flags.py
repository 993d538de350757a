"""Our own flags of `kaito-runtime serve`; everything else on the command line is vLLM's."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kaito import contracts
from kaito.runtime.config.options import (
    ADAPTER_WAIT_SECONDS,
    CANARY_DEADLINE_SECONDS,
    CANARY_SECONDS,
    DRAIN_DELAY_SECONDS,
    GRACE_SECONDS,
    MAX_BODY_BYTES,
    WITHOUT_EFFECT,
)

EXAMPLE = """example:
  kaito-runtime serve --model=/workspace/weights --served-model-name=phi-3-mini-4k-instruct --port=5000

Flags that are not listed here are vLLM's own and are passed on (see `vllm serve --help`).
"""

_Add = Callable[..., Any]
"""`ArgumentParser.add_argument`."""


def add_serve_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `serve`."""
    add = parser.add_argument
    _add_model_flags(add)
    _add_adapter_flags(add)
    _add_pod_flags(add)
    _add_end_flags(add)
    _add_request_flags(add)
    _add_engine_flags(add)
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: %(default)s)")
    add(
        "--print-effective-config", action="store_true", help="print what vLLM would be started with, as JSON, and exit"
    )
    for flag in WITHOUT_EFFECT:
        add(flag, help=argparse.SUPPRESS)


def _add_model_flags(add: _Add) -> None:
    """Declare which model is served, and where it listens."""
    add("--model", metavar="PATH|ID", help="weights: a folder, or an id on the Hugging Face hub (required)")
    add("--host", default=None, help=f"address to listen on (default: ${contracts.BIND_HOST_VARIABLE}, else all)")
    add("--port", type=_port, default=contracts.SERVING_PORT, help="port of the API (default: %(default)s)")


def _add_adapter_flags(add: _Add) -> None:
    """Declare where adapters come from and are kept."""
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


def _add_pod_flags(add: _Add) -> None:
    """Declare what the controller gives a pod, and how it is asked."""
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


def _add_end_flags(add: _Add) -> None:
    """Declare how long the end may take."""
    add(
        "--kaito-grace-seconds",
        dest="grace_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=GRACE_SECONDS,
        help="time for requests in flight after SIGTERM and the delay (default: %(default)s)",
    )
    add(
        "--kaito-drain-delay-seconds",
        dest="drain_delay_seconds",
        type=_seconds,
        metavar="SECONDS",
        default=DRAIN_DELAY_SECONDS,
        help="time after SIGTERM in which new requests are still taken, while endpoints follow (default: %(default)s)",
    )


def _add_request_flags(add: _Add) -> None:
    """Declare what requests are held to."""
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


def _add_engine_flags(add: _Add) -> None:
    """Declare how the engine is watched and measured."""
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
