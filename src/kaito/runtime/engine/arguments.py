"""vLLM's own reading of its command line, with errors that say what to do."""

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

import structlog

from kaito.runtime.config import ConfigFile, EffectiveConfig, Flags
from kaito.runtime.engine import vllm_compat
from kaito.runtime.failure import FatalError

_log = structlog.get_logger("kaito.runtime")

_NAMED = re.compile(r"argument (?:-[^-/]+/)*--([a-z0-9-]+)")
"""How argparse begins what it has against the value of a flag."""


def takes_lora(architectures: Iterable[str]) -> bool:
    """Say whether vLLM has LoRA for a model; True where it does not tell. Its modules are imported to find out."""
    for architecture in architectures:
        registered = vllm_compat.ModelRegistry.models.get(architecture)
        try:
            if registered is not None and not vllm_compat.supports_lora(registered.load_model_cls()):
                return False
        except Exception as error:  # noqa: BLE001 - vLLM reports what is wrong with the model itself, and better
            _log.warning("whether the model takes LoRA is not known", architecture=architecture, why=str(error))
    return True


def vllm_arguments(config: EffectiveConfig, file: ConfigFile) -> argparse.Namespace:
    """Return vLLM's arguments. Raises InvalidFlag, or InvalidConfigFile with the line for what the file said."""
    parser = vllm_compat.make_arg_parser(vllm_compat.FlexibleArgumentParser(prog="kaito-runtime serve", add_help=False))
    known = sorted(option for action in parser._actions for option in action.option_strings)  # noqa: SLF001 - argparse has no other way
    flags = _without_idle_opposites(config.flags, parser)
    for flag in flags:
        _check_known(flag.name, known, file)

    def refuse(message: str) -> NoReturn:
        named = _NAMED.match(message)
        line = file.line_of(named[1]) if named else None
        if line is not None:
            raise FatalError(
                "InvalidConfigFile",
                f"vLLM does not take line {line} of the inference config: {message}.",
                remedy="Correct the ConfigMap (key inference_config.yaml) and apply it again.",
            )
        raise FatalError(
            "InvalidFlag",
            f"vLLM does not take its flags: {message}.",
            remedy="`vllm serve --help` lists what it takes.",
        )

    parser.error = refuse
    arguments: argparse.Namespace = parser.parse_args(flags.argv())
    try:
        vllm_compat.validate_parsed_serve_args(arguments)
    except (TypeError, ValueError, KeyError) as error:
        refuse(str(error))
    arguments.root_path = (arguments.root_path or "").rstrip("/")  # so that vLLM and the gate take the same off a path
    return arguments


def _without_idle_opposites(flags: Flags, parser: argparse.ArgumentParser) -> Flags:
    """Leave out each `--no-x` where vLLM has only `--x`, which is off unless it is given."""
    actions = [action for action in parser._actions if isinstance(action, argparse._StoreTrueAction)]  # noqa: SLF001
    return flags.without(*(f"no-{option.removeprefix('--')}" for action in actions for option in action.option_strings))


def _check_known(name: str, known: list[str], file: ConfigFile) -> None:
    """Refuse a flag that vLLM does not have. `--a.b` is a form of `--a`."""
    spellings = {f"--{name}", f"--{name.partition('.')[0]}"}
    underscored = {spelling.replace("-", "_").replace("__", "--", 1) for spelling in spellings}
    if (spellings | underscored) & set(known):
        return
    close = difflib.get_close_matches(f"--{name}", known, n=3)
    remedy = f"Did you mean {' or '.join(close)}?" if close else "`vllm serve --help` lists what it takes."
    line = file.line_of(name)
    if line is not None:
        raise FatalError(
            "InvalidConfigFile",
            f"Line {line} of the inference config sets {name}, which vLLM does not know.",
            remedy=remedy,
        )
    raise FatalError("InvalidFlag", f"Neither kaito nor vLLM knows --{name}.", remedy=remedy)
