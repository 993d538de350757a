"""From flags, config file, machine and weights to what vLLM is started with. All but `hardware` is pure."""

from kaito.runtime.config.config_file import ConfigFile, parse_config_file, read_config_file
from kaito.runtime.config.effective import EffectiveConfig, effective_config
from kaito.runtime.config.flags import Flag, Flags
from kaito.runtime.config.hardware import Hardware, inspect_hardware
from kaito.runtime.config.options import MAX_BODY_BYTES, ServeOptions, serve_options
from kaito.runtime.config.serve_flags import add_serve_flags

__all__ = [
    "MAX_BODY_BYTES",
    "ConfigFile",
    "EffectiveConfig",
    "Flag",
    "Flags",
    "Hardware",
    "ServeOptions",
    "add_serve_flags",
    "effective_config",
    "inspect_hardware",
    "parse_config_file",
    "read_config_file",
    "serve_options",
]
