"""Keeps adapters in immutable folders that are named by their content, so that a path means one version for ever."""

from kaito.runtime.adapters.store.content import StoredAdapter, digest_of
from kaito.runtime.adapters.store.store import AdapterStore

__all__ = ["AdapterStore", "StoredAdapter", "digest_of"]
