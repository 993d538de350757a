"""LoRA adapters that come, change and go while requests run."""

from kaito.runtime.adapters.failure import AdapterError

__all__ = ["AdapterError"]
