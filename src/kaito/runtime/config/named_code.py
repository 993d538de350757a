"""Which settings inside a flag's value name code: vLLM imports what they name, some of it from any path.

They stand in maps, in JSON text and behind dots (`--structured-outputs-config.reasoning_parser_plugin=…`). vLLM reads
such text more freely than JSON allows (`80m` is a number), so the strings in it are looked at, not the parsed value.
"""

import json
import re
from collections.abc import Iterator, Mapping

from kaito.runtime.config.flags import Flag

_SETTING = re.compile(
    r"\w*(_plugin|_cls|module_path)"
    r"|logits_processors|middleware|trust_remote_code|custom_class"
    r"|pylogging_config_file"  # Python's logging calls any factory that the file names
    r"|inductor_passes|inductor_compile_config"  # passes, and the program that compiles (cpp.cxx)
)
_SETTING_THAT_MAY_BE_A_CLASS: Mapping[str, frozenset[str]] = {
    "compilation-config": frozenset({"backend"}),
    "speculative-config": frozenset({"model"}),
    "spec-model": frozenset({""}),
    "distributed-executor-backend": frozenset({""}),
    "kv-transfer-config": frozenset({"policy"}),
}
"""Settings that take a plain word or `package.Class`, by flag; an empty name is the flag itself."""

_PAIR = re.compile(r'("(?:[^"\\]|\\.)*")(?:\s*:\s*("(?:[^"\\]|\\.)*"))?')


def code_named_in(flag: Flag) -> str | None:
    """Return the setting inside a flag that names code, as written; None where none does."""
    head, _, inner = flag.name.partition(".")
    segments = inner.removesuffix("+").split(".") if inner else []
    for segment in segments:
        if _SETTING.fullmatch(_plain(segment)):
            return segment
    may_be_a_class = _SETTING_THAT_MAY_BE_A_CLASS.get(head, frozenset())
    last = segments[-1] if segments else ""
    for value in flag.values:
        for name, setting in ((last, value), *_pairs(value)):
            if _SETTING.fullmatch(_plain(name)):
                return name
            if _SETTING.fullmatch(_plain(setting)):
                return setting
            if _plain(name) in may_be_a_class and _is_class(setting):
                return name or head
    return None


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield each string of a JSON text with the string that is its value, `""` where none is."""
    for match in _PAIR.finditer(text):
        name, value = match.groups(default='""')
        yield _unquoted(name), _unquoted(value)


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text[1:-1]  # no JSON: vLLM refuses it


def _plain(name: str) -> str:
    return name.strip().replace("-", "_")


def _is_class(setting: str) -> bool:
    return "." in setting and not {"/", '"'} & set(setting)
