"""Waiting for the cache to show what was written: a reader then never acts on a state from before its own writes."""

import asyncio

from kaito.core.cache.entry import reached
from kaito.core.cache.selection import Resolved
from kaito.core.cache.store import Store
from kaito.core.client import Write


class Barrier:
    """Those who wait until a store shows a write, or something later. Nobody else is held up."""

    def __init__(self, store: Store, resolved: Resolved) -> None:
        self._store = store
        self._resolved = resolved
        self._waiting: dict[asyncio.Future[None], Write] = {}

    def expects(self, write: Write) -> bool:
        """Say whether the object of `write` will surely show up; of fields that are selected by nobody can tell."""
        scope = self._resolved.scope_of(write.key.namespace)
        return scope is not None and scope.selects(write.key, None if write.deleted else write.labels)

    def shows(self, write: Write) -> bool:
        """Say whether the store shows `write`, or something later."""
        entry = self._store.get(write.key)
        if write.deleted:
            return (
                entry is None
                or entry.metadata.deletion_timestamp is not None
                or (bool(write.uid) and entry.metadata.uid != write.uid)
            )
        if entry is not None and reached(entry.metadata.resource_version, write.resource_version):
            return True
        return reached(self._store.resource_version(write.key.namespace), write.resource_version)

    async def shown(self, write: Write) -> None:
        """Return once the store shows `write`, or something later."""
        if self.shows(write):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = write
        try:
            await future
        finally:
            self._waiting.pop(future, None)

    def flush(self) -> None:
        """Wake those whose write the store shows now."""
        for future, write in list(self._waiting.items()):
            if not future.done() and self.shows(write):
                future.set_result(None)
