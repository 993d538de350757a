"""What the command line of `kaito-runtime serve` says, beside vLLM's flags."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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

WITHOUT_EFFECT = {
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
            for flag, why in WITHOUT_EFFECT.items()
            if getattr(known, flag.removeprefix("--").replace("-", "_")) is not None
        ),
    )
