"""Hands the adapters that passed the checks to the engine, one by one: a bad one is reported, the others are served."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from kaito.contracts import AdapterStatus
from kaito.runtime.adapters import Adapter, AdapterError, failed
from kaito.runtime.engine import vllm_compat
from kaito.runtime.engine.causes import first_sentences

_log = structlog.get_logger("kaito.runtime")


async def load_adapters(
    models: Any, adapters: tuple[Adapter, ...], *, largest_rank: int, report: Callable[[AdapterStatus], None]
) -> list[str]:
    """Load each adapter under its name; return the names that are served.

    `models` is the application's `openai_serving_models`. `largest_rank` is the engine's; 0 means that LoRA is off.
    """
    served: list[str] = []
    for adapter in adapters:
        report(AdapterStatus(name=adapter.name, state="Loading", reason="", message=""))
        try:
            await _load(models, adapter, largest_rank)
        except AdapterError as error:
            report(failed(adapter.name, error))
        else:
            served.append(adapter.name)
            report(AdapterStatus(name=adapter.name, state="Ready", reason="", message=f"rank {adapter.rank}"))
    return served


async def load_workspace_name(
    models: Any, adapters: tuple[Adapter, ...], served: list[str], workspace: str
) -> list[str]:
    """Give the Workspace's name to its adapter where it has exactly one; return the names added."""
    if not workspace or workspace in served or len(served) != 1:
        return []
    adapter = next(adapter for adapter in adapters if adapter.name == served[0])
    try:
        await _load(models, replace(adapter, name=workspace), adapter.rank)
    except AdapterError as error:
        _log.warning("the Workspace's name is not served", name=workspace, reason=error.reason, message=str(error))
        return []
    return [workspace]


async def _load(models: Any, adapter: Adapter, largest_rank: int) -> None:
    if largest_rank == 0:
        raise AdapterError("NotLoraCapable", "The server was started without --enable-lora.")
    if adapter.rank > largest_rank:
        raise AdapterError(
            "RankTooLarge", f"Its rank is {adapter.rank}; the server takes {largest_rank} (--max-lora-rank) at most."
        )
    request = vllm_compat.LoadLoRAAdapterRequest(lora_name=adapter.name, lora_path=str(adapter.path))
    answer = await models.load_lora_adapter(request)
    if isinstance(answer, vllm_compat.ErrorResponse):
        raise AdapterError("LoadFailed", first_sentences(answer.error.message))
