"""What is known before vLLM is imported: config file, weights, keys, and what vLLM is to be started with."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kaito.runtime.adapters.first_look import ranks_found
from kaito.runtime.adapters.sizing import LoraSize, lora_size
from kaito.runtime.config import (
    ConfigFile,
    EffectiveConfig,
    ServeOptions,
    effective_config,
    inspect_hardware,
    read_config_file,
)
from kaito.runtime.front import KeyRing
from kaito.runtime.front.keys import keys_of_vllm
from kaito.runtime.weights import Weights, inspect_weights


@dataclass(frozen=True)
class Plan:
    """What is known before vLLM is imported."""

    file: ConfigFile
    weights: Weights
    config: EffectiveConfig
    keys: KeyRing


def make_plan(options: ServeOptions, weights: Weights | None = None) -> Plan:
    """Read config file, weights and adapters, and put together what vLLM is started with. Raises FatalError.

    `weights`: what is known of them, if it is more than `--model` tells.
    """
    keys = KeyRing(options.api_keys_file, keys_of_vllm(options.vllm, os.environ))
    file = read_config_file(options.config_file)
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


def print_plan(plan: Plan, write: Callable[[str], Any]) -> None:
    """Write a plan as JSON; what could be a secret is hidden."""
    content = {
        "argv": plan.config.flags.shown(),
        "environment": dict(plan.config.environment),
        "remarks": list(plan.config.remarks),
        "weights": plan.weights.about(),
        "models": list(plan.config.names) or [plan.weights.source],
    }
    write(json.dumps(content, indent=2) + "\n")


def _room_for_adapters(options: ServeOptions) -> LoraSize | None:
    """Return the room for adapters; None where nothing says that any may come."""
    sources = (options.adapters_dir, options.adapter_set_file, options.adapter_store, options.admin_token_file)
    if not any(sources) and options.vllm.get("enable-lora") is None:
        return None
    found = ranks_found(options.adapters_dir, options.adapter_set_file)
    return lora_size(found, together=bool(options.workspace))
