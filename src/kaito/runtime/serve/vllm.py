"""vLLM in this process: imported when the environment is as it needs it, and ended when the server is."""

import importlib.util
import os
import sys
from typing import Any, NoReturn

from kaito.runtime.failure import FatalError

TRACES_MILLISECONDS = 2000
"""How long the end waits for a collector of traces."""


def import_vllm() -> Any:
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


def end_engine() -> None:
    """End what vLLM may have left running. Cheap when vLLM was never imported."""
    if "vllm" in sys.modules:
        from kaito.runtime.engine.processes import end_children

        end_children()


def end_at_once(status: int) -> NoReturn:
    """Kill what vLLM may have left running, and end this process, without waiting for anything."""
    if "vllm" in sys.modules:
        from kaito.runtime.engine.processes import kill_children

        kill_children()
    os._exit(status)


def send_traces() -> None:
    """Send the last spans, where vLLM was told to trace: they wait for their batch, and the process ends at once."""
    tracing = sys.modules.get("opentelemetry.trace")
    send = getattr(tracing.get_tracer_provider(), "force_flush", None) if tracing else None
    if send is not None:
        send(TRACES_MILLISECONDS)
