"""LoRA adapters that are there when the server starts."""

from kaito.runtime.adapters.catalogue import Adapter, Catalogue, check_adapter, failed, read_catalogue
from kaito.runtime.adapters.failure import AdapterError

__all__ = ["Adapter", "AdapterError", "Catalogue", "check_adapter", "failed", "read_catalogue"]
