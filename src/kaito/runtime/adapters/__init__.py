"""LoRA adapters that are there when the server starts."""

from kaito.runtime.adapters.catalogue import Adapter, AdapterError, Catalogue, check_adapter, failed, read_catalogue

__all__ = ["Adapter", "AdapterError", "Catalogue", "check_adapter", "failed", "read_catalogue"]
