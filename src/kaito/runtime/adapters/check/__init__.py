"""Decides from an adapter's files alone whether the engine may load it: headers first, then the numbers."""

from kaito.runtime.adapters.check.adapter import LARGEST_ADAPTER, CheckedAdapter, check_adapter
from kaito.runtime.adapters.check.files import CONFIG_FILE, WEIGHTS_FILE
from kaito.runtime.adapters.check.finite import scan_finite
from kaito.runtime.adapters.check.served_base import ServedBase, read_base

__all__ = [
    "CONFIG_FILE",
    "LARGEST_ADAPTER",
    "WEIGHTS_FILE",
    "CheckedAdapter",
    "ServedBase",
    "check_adapter",
    "read_base",
    "scan_finite",
]
