"""Brings one adapter from its source into the store, checked: what comes out may be given to the engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from kaito.contracts import AdapterPhase
from kaito.runtime.adapters.check import ServedBase, check_adapter, scan_finite
from kaito.runtime.adapters.compose import combined, strengthened
from kaito.runtime.adapters.decide import Prepared
from kaito.runtime.adapters.failure import AdapterError
from kaito.runtime.adapters.known import KnownContent
from kaito.runtime.adapters.sources import LocalFolder, Place, Source, fetch, source_of
from kaito.runtime.adapters.store import AdapterStore, StoredAdapter
from kaito.runtime.adapters.wanted import Wanted
from kaito.runtime.status.pulls import AdapterPulls

_log = structlog.get_logger("kaito.runtime.adapters")

T = TypeVar("T")


@dataclass(frozen=True)
class Preparation:
    """Prepares adapters for one base model. Files are copied and read on the threads of `workers` only.

    `place` is told a staging folder, and says what a fetch into it may do; `known` is what was fetched
    before this start; `pulls` shows how far each fetch is.
    """

    store: AdapterStore
    base: ServedBase
    workers: Executor
    place: Callable[[Path], Place]
    known: KnownContent
    pulls: AdapterPulls = field(default_factory=AdapterPulls)

    async def __call__(self, wanted: Wanted, say: Callable[[AdapterPhase], None]) -> Prepared:
        """Return what may be loaded; `say` is told each phase that begins. Raises AdapterError."""
        if wanted.parts:
            return await self._run(lambda: self._combined(wanted))
        if wanted.digest and (kept := await self._run(lambda: self._kept(wanted, wanted.digest))):
            return kept
        source = source_of(wanted.spec)  # type: ignore[arg-type]
        if isinstance(source, LocalFolder):
            say("Validating")
            return await self._run(lambda: self._from_folder(wanted, source.path))
        try:
            prepared = await self._fetched(wanted, source, say)
        except AdapterError as error:
            return await self._run(partial(self._as_before, wanted, error))
        await self._run(lambda: self._note(wanted, prepared))
        return prepared

    async def _fetched(self, wanted: Wanted, source: Source, say: Callable[[AdapterPhase], None]) -> Prepared:
        async with self._staging() as folder:
            with self.pulls.begin(wanted.name) as came:
                fetched = await fetch(source, replace(self.place(folder), progress=came))
            say("Validating")
            if fetched.folder == folder:
                return await self._run(lambda: self._checked(wanted, folder))
            return await self._run(lambda: self._from_folder(wanted, fetched.folder))

    @asynccontextmanager
    async def _staging(self) -> AsyncIterator[Path]:
        """Give a staging folder; it is gone afterwards, also when this is cancelled while it is being made."""
        staging = self.store.staging()
        making = asyncio.ensure_future(self._run(staging.__enter__))
        try:
            yield await asyncio.shield(making)
        finally:
            await making
            await self._run(lambda: staging.__exit__(None, None, None))

    def _from_folder(self, wanted: Wanted, folder: Path) -> Prepared:
        if not folder.is_dir():
            raise AdapterError("SourceNotFound", f"There is no folder {folder}.", passes=True)
        with self.store.staging() as staging:
            self.store.admit(folder, staging)
            return self._checked(wanted, staging)

    def _checked(self, wanted: Wanted, folder: Path) -> Prepared:
        """Check what lies in a staging folder, and make it an entry."""
        rank = check_adapter(folder, self.base).rank
        scan_finite(folder)
        stored = self.store.commit(folder, expected=wanted.digest)
        return self._at_strength(wanted, stored, rank)

    def _as_before(self, wanted: Wanted, error: AdapterError) -> Prepared:
        """Return what came from a source before, while it cannot be reached. Raises `error` where there is nothing.

        Only then: who is not let in, or finds nothing there any more, does not get what another was given.
        """
        digest = self.known.digest(wanted) if error.reason == "SourceUnreachable" else ""
        kept = self._kept(wanted, digest) if digest and wanted.digest in {"", digest} else None
        if kept is None:
            raise error
        _log.warning("an adapter is served as it was fetched before", name=wanted.name, digest=digest, why=str(error))
        return kept

    def _note(self, wanted: Wanted, prepared: Prepared) -> None:
        try:
            self.known.note(wanted, prepared.digest)
        except OSError as error:
            _log.warning("what was fetched cannot be noted for the next start", name=wanted.name, why=str(error))

    def _kept(self, wanted: Wanted, digest: str) -> Prepared | None:
        """Return what the store has of a digest: nothing need be fetched then."""
        with suppress(AdapterError):  # damaged, and removed: fetched anew
            stored = self.store.find(digest)
            return None if stored is None else self._at_strength(wanted, stored, self._rank(stored))
        return None

    def _combined(self, wanted: Wanted) -> Prepared:
        parts = [(StoredAdapter(part.stored, Path(part.folder), 0), "1") for part in wanted.parts]
        stored = combined(parts, self.store)
        return self._at_strength(wanted, stored, self._rank(stored))

    def _rank(self, stored: StoredAdapter) -> int:
        return check_adapter(stored.path, self.base).rank

    def _at_strength(self, wanted: Wanted, stored: StoredAdapter, rank: int) -> Prepared:
        scaled = strengthened(stored, wanted.strength, self.store)
        return Prepared(
            digest=stored.digest,
            folder=str(scaled.path),
            stored=scaled.digest,
            rank=rank,
            size=stored.size_bytes,
            strength=wanted.strength,
        )

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.workers, work)
