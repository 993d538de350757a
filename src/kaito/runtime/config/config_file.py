"""KAITO's inference config file: a `vllm:` map whose entries become flags, each value by its YAML type.

Upstream appends `--key str(value)`: booleans become a stray word, lists a Python repr, an empty map a crash. Here a
value becomes what vLLM's parser expects, and what cannot be understood is refused with its line.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kaito.runtime.config.flags import Flag, spelled
from kaito.runtime.failure import FatalError

_LEGACY = {
    "max_probe_steps": "vLLM finds the longest context that fits by itself; set vllm.max-model-len to `auto`",
    "kv_cache_cpu_memory_utilization": "KV cache offload is off; set vllm.kv-offloading-size to turn it on",
}
_REMOVED_FROM_VLLM = frozenset(
    {"swap-space", "disable-frontend-multiprocessing", "use-v2-block-manager", "num-scheduler-steps"}
)
_JSON_LISTS = frozenset({"allowed-origins", "allowed-methods", "allowed-headers"})
"""Flags that take a list as one word of JSON; others take a word for each entry."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[^=\s]+)?")
"""A flag's name. With a `=` in it, it would be another flag with a value."""

_NUMBER = re.compile(r"-[0-9.]+")


@dataclass(frozen=True)
class ConfigFile:
    """What the file says: flags for vLLM, the line (from 1) that each came from, and remarks for the log."""

    flags: tuple[Flag, ...] = ()
    lines: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()

    def line_of(self, name: str) -> int | None:
        """Return the line that set a flag, or the first that set a field of it (`name.field`)."""
        set_by = [(flag.name, line) for flag, line in zip(self.flags, self.lines, strict=True)]
        exact = [line for given, line in set_by if given == name]
        return next(iter([*exact, *(line for given, line in set_by if given.startswith(f"{name}."))]), None)


def read_config_file(path: Path | None) -> ConfigFile:
    """Read the file at `path`; None is an empty one. Raises InvalidConfigFile."""
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


def parse_config_file(text: str) -> ConfigFile:
    """Read the file. Keys of upstream's that have no effect any more are taken with a remark.

    Raises InvalidConfigFile, with the line, for broken YAML, unknown top-level keys and values that no flag can carry.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _invalid(line, f"is not YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise _invalid(text.count("\n", 0, error.position) + 1, f"is not YAML: {error.reason}") from None
    except RecursionError:
        raise _invalid(1, "begins maps or lists that are too deep") from None
    if node is None:
        return ConfigFile()
    flags: list[tuple[Flag, int]] = []
    remarks: list[str] = []
    for key, value, line in _entries(node, "the file"):
        if key == "vllm":
            for name, setting, at in _entries(value, "`vllm`"):
                if not _NAME.fullmatch(name):
                    raise _invalid(at, f"sets {name!r}, which is no name of a flag")
                flag_name = spelled(name)
                if flag_name in _REMOVED_FROM_VLLM:
                    remarks.append(f"line {at}: {name} has no effect: vLLM no longer has it")
                else:
                    flags.append((_readable(flag_name, setting, at), at))
        elif key in _LEGACY:
            remarks.append(f"line {line}: {key} has no effect: {_LEGACY[key]}")
        else:
            raise _invalid(line, f"has the unknown key {key!r}; known are vllm, {', '.join(_LEGACY)}")
    return ConfigFile(tuple(flag for flag, _ in flags), tuple(line for _, line in flags), tuple(remarks))


def _entries(node: yaml.Node, where: str) -> Iterator[tuple[str, yaml.Node, int]]:
    """Yield key, value and line of a mapping. An empty value is an empty mapping."""
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
        return
    if not isinstance(node, yaml.MappingNode):
        raise _invalid(node.start_mark.line + 1, f"has no map where {where} needs one")
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise _invalid(line, "has a key that is no word")
        if spelled(key.value) in seen:
            raise _invalid(line, f"gives {key.value!r} a second time")
        seen.add(spelled(key.value))
        yield key.value, value, line


def _readable(name: str, node: yaml.Node, line: int) -> Flag:
    try:
        return _flag(name, node, line)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):  # tags, dates and numbers that are none, cycles
        message = f"gives {name} a value that cannot be read; text that only looks like a value of YAML needs quotes"
        raise _invalid(line, message) from None


def _flag(name: str, node: yaml.Node, line: int) -> Flag:
    value = yaml.SafeLoader("").construct_object(node, deep=True)
    if value is None:
        raise _invalid(line, f"gives {name} no value")
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        value = value.lower() == "true"  # upstream's files quote them
    if isinstance(value, bool | list) and "." in name:
        return Flag(name, (json.dumps(value),))  # a field of a map: it takes JSON, and has no opposite
    if isinstance(value, bool):
        return Flag(name if value else f"no-{name}")
    if isinstance(value, list):
        if not value:
            raise _invalid(line, f"gives {name} an empty list")
        if name in _JSON_LISTS:
            return Flag(name, (json.dumps(value),))
        words = tuple(_word(item) for item in value)
        if any(word.startswith("-") and not _NUMBER.fullmatch(word) for word in words):
            raise _invalid(line, f"gives {name} an entry that begins with a dash, which vLLM would take for a flag")
        return Flag(name, words)
    return Flag(name, (_word(value),))


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list | bool) else str(value)


def _invalid(line: int, message: str) -> FatalError:
    return FatalError(
        "InvalidConfigFile",
        f"Line {line} of the inference config {message}.",
        remedy="Correct the ConfigMap (key inference_config.yaml) and apply it again.",
    )
