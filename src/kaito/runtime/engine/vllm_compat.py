"""Every import from vLLM is here, and what each must look like. vLLM moves something with each release.

Written for 0.32. `self_test` runs at each start and in the tests, so that a version which moved something is named in
one line before minutes of loading, not found by a stack trace after.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.api_server.entry import build_async_engine_client
from vllm.entrypoints.launchers.app import build_app
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.entrypoints.openai.models.protocol import BaseModelPath
from vllm.entrypoints.openai.models.serving import OpenAIServingModels
from vllm.entrypoints.serve.engine.protocol import ModelCard, ModelPermission
from vllm.logger import configure_logging_from_args
from vllm.lora.request import LoRARequest
from vllm.model_executor.models import ModelRegistry
from vllm.model_executor.models.interfaces import supports_lora
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.core_client import AsyncMPClient
from vllm.v1.metrics.stats import LoRARequestStates
from vllm.version import __version__ as VERSION  # noqa: N812 - it is a constant

from kaito.runtime.failure import FatalError

__all__ = [
    "SURFACE",
    "VERSION",
    "AsyncLLM",
    "AsyncMPClient",
    "BaseModelPath",
    "FlexibleArgumentParser",
    "LoRARequest",
    "LoRARequestStates",
    "ModelCard",
    "ModelPermission",
    "ModelRegistry",
    "OpenAIServingModels",
    "build_app",
    "build_async_engine_client",
    "configure_logging_from_args",
    "init_app_state",
    "make_arg_parser",
    "self_test",
    "supports_lora",
    "validate_parsed_serve_args",
]


@dataclass(frozen=True)
class Expectation:
    """What we rely on of one thing: parameters it takes, methods and properties it has, fields it declares."""

    thing: Any
    parameters: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def broken(self) -> str:
        """Say what is missing; empty when nothing."""
        for member in self.members:
            if not hasattr(self.thing, member):
                return f"has no {member}"
        for field in self.fields:
            if field not in self.thing.model_fields:
                return f"has no field {field}"
        if self.parameters:
            taken = inspect.signature(self.thing).parameters
            if missing := [name for name in self.parameters if name not in taken]:
                return f"does not take {', '.join(missing)}"
        return ""


SURFACE: Mapping[str, Expectation] = MappingProxyType(
    {
        "AsyncLLM": Expectation(
            AsyncLLM,
            members=(
                "add_lora",
                "check_health",
                "errored",
                "get_num_queued_tokens",
                "get_num_unfinished_requests",
                "get_supported_tasks",
                "list_loras",
                "remove_lora",
                "shutdown",
            ),
        ),
        "AsyncMPClient": Expectation(AsyncMPClient, members=("get_output_async",)),
        "BaseModelPath": Expectation(BaseModelPath, parameters=("name", "model_path")),
        "FlexibleArgumentParser": Expectation(FlexibleArgumentParser, members=("parse_args", "error")),
        "LoRARequest": Expectation(LoRARequest, parameters=("lora_name", "lora_int_id", "lora_path")),
        "LoRARequestStates": Expectation(
            LoRARequestStates,
            parameters=("log_stats",),
            members=("request_waiting", "request_running", "request_finished", "update_scheduler_stats"),
        ),
        "ModelCard": Expectation(ModelCard, fields=("id", "root", "parent", "permission")),
        "ModelPermission": Expectation(ModelPermission, fields=("id",)),
        "ModelRegistry": Expectation(ModelRegistry, members=("models",)),
        "OpenAIServingModels": Expectation(
            OpenAIServingModels, members=("is_base_model", "model_name", "show_available_models")
        ),
        "build_app": Expectation(build_app, parameters=("args", "supported_tasks", "model_config")),
        "build_async_engine_client": Expectation(build_async_engine_client, parameters=("args",)),
        "configure_logging_from_args": Expectation(configure_logging_from_args, parameters=("args",)),
        "init_app_state": Expectation(init_app_state, parameters=("engine_client", "state", "args", "supported_tasks")),
        "make_arg_parser": Expectation(make_arg_parser, parameters=("parser",)),
        "supports_lora": Expectation(supports_lora, parameters=("model",)),
        "validate_parsed_serve_args": Expectation(validate_parsed_serve_args, parameters=("args",)),
    }
)


def self_test(say: Callable[[str], None]) -> None:
    """Compare the installed vLLM with what we rely on; say so in one line. Raises VllmIncompatible."""
    broken = {name: reason for name, expectation in SURFACE.items() if (reason := expectation.broken())}
    if broken:
        what = "; ".join(f"{name} {reason}" for name, reason in broken.items())
        raise FatalError(
            "VllmIncompatible",
            f"vLLM {VERSION} is not the interface this runtime was written for: {what}.",
            remedy="Install vLLM 0.32 (pip install 'kaito[cpu]' or 'kaito[gpu]').",
        )
    say(f"vLLM {VERSION}: compat OK")
